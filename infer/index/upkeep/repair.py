"""Mending an index of which files are damaged: what can be made anew is, and the rest is given up.

HNSW comes from the vectors. A row is lost if the block of 4 MiB that it lies in, or one of the rows
that are proved with it, is damaged; where the numbers of a segment are, all of its rows are. What
a lost segment had ended cannot be known: then nothing is mended, or images that were removed would
be found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zscr.artefact import Manifest, read_manifest, verify
from zscr.errors import ArtefactError
from zscr.infer.index.committing import commit
from zscr.infer.index.current import Current
from zscr.infer.index.fields import FIELDS
from zscr.infer.index.files import open_segment, remove_leftovers
from zscr.infer.index.hnsw_of import build_hnsw
from zscr.infer.index.manifest import KIND, assemble, choice_of
from zscr.infer.index.rewriting import rebuild
from zscr.infer.index.segment import Segment, new_segment
from zscr.infer.index.stack import Stack
from zscr.lock import writer_lock
from zscr.proven import verifying


@dataclass(frozen=True)
class Repaired:
    """What was done.

    Attributes:
        damaged: the files that were not as they were written.
        lost: how many images the index has no longer.
        left: how many it has.
    """

    damaged: tuple[str, ...]
    lost: int
    left: int


def repair(folder: Path, *, all_may_go: bool = False, threads: int = 1) -> Repaired:
    """Give up what is damaged of an index, and make the rest whole.

    Args:
        folder: of the index.
        all_may_go: whether images may be lost; else one is an error, and nothing is changed.
        threads: for building HNSW.

    Raises:
        ArtefactError: the manifest is damaged, a segment that had ended rows of others is, images
            would be lost that may not be, or all of them; another writer is busy.
    """
    with writer_lock(folder), verifying():
        manifest = read_manifest(folder, KIND, FIELDS)
        damaged = tuple(name for name in manifest.files if not _is_sound(folder, manifest, name))
        if not damaged:
            remove_leftovers(folder, manifest)
            return Repaired((), 0, manifest.body["count"])
        there = _salvaged(folder, manifest)
        left = Stack.of([_sound_rows(segment) for segment in there.segments])
        lost = manifest.body["count"] - left.count
        if not left.count or (lost and not all_may_go):
            on = "make the index anew with 'zscr index add'"
            on = "add --yes to go on with the others" if left.count else on
            raise ArtefactError(
                f"{lost} of {manifest.body['count']} images of {folder} are lost with "
                f"{', '.join(damaged)}; {on}"
            )
        choice = choice_of(manifest.body)
        now = assemble(folder, _without(manifest, damaged), left, choice)
        following = rebuild(now, lambda stack: build_hnsw(stack, threads=threads))
        commit(Current(folder, manifest, now), following, lost=0)
    return Repaired(damaged, lost, left.count)


def _is_sound(folder: Path, manifest: Manifest, name: str) -> bool:
    try:
        verify(folder, manifest, [name])
    except ArtefactError:
        return False
    return True


def _without(manifest: Manifest, damaged: Sequence[str]) -> Manifest:
    """Return a manifest that does not name what is damaged, but for segments, nor HNSW."""
    gone = {name for name in damaged if not name.startswith("segment.")}
    gone |= {name for name in manifest.files if name.startswith("hnsw.")}
    body = dict(manifest.body)
    if any(name.startswith("unrelated.") for name in gone):
        body["unrelated"] = None
    kept = {name: entry for name, entry in manifest.files.items() if name not in gone}
    return replace(manifest, files=kept, body=body)


def _salvaged(folder: Path, manifest: Manifest) -> Stack:
    """Return the segments whose numbers are sound, which may hold rows that are not.

    Raises:
        ArtefactError: the numbers of one that had ended rows of others are damaged.
    """
    found = []
    for about in manifest.body["segments"]:
        try:
            found.append(open_segment(folder, manifest, {**about, "in_hnsw": False}))
        except (ArtefactError, ValueError) as error:
            if about["removed"]:
                raise ArtefactError(
                    f"{folder} cannot be repaired: its segment {about['number']}, which had ended "
                    f"{about['removed']} rows of others, is damaged; make the index anew with "
                    f"'zscr index add'"
                ) from error
    return Stack.of(found)


def _sound_rows(segment: Segment) -> Segment:
    """Return a segment without the rows that cannot be proved, in memory if there are any."""
    keep = np.ones(segment.count, bool)
    for tensor in segment.wide.values():
        keep &= tensor.provable()
    for row in np.flatnonzero(keep).tolist():
        try:
            segment.line(row)
        except ArtefactError:
            keep[row] = False
    rows = np.flatnonzero(keep)
    return new_segment(
        segment.number,
        segment.labels[rows],
        {name: tensor.take(rows) for name, tensor in segment.wide.items()},
        [segment.line(row) for row in rows.tolist()],
        segment.keys[rows],
        segment.removed,
    )
