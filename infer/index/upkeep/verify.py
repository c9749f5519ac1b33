"""Proving that an index on disk is whole, finds its own images, and that these are still there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zscr.artefact import MANIFEST, hash_file
from zscr.data.names import found_as_written
from zscr.errors import ArtefactError, InputError
from zscr.infer.index.index import Index
from zscr.infer.index.roots import Root, root_of
from zscr.infer.index.unit_rows import check_vectors
from zscr.progress import progress
from zscr.proven import verifying

_SAMPLE = 1000


@dataclass(frozen=True)
class IndexReport:
    """A sound index. `self_recall` is the share of `sample` images that find themselves first."""

    count: int
    dim: int
    generation: int
    how: str
    self_recall: float
    sample: int


def verify_index(folder: Path) -> IndexReport:
    """Check every hash and every norm, and search the index for a sample of its own vectors.

    Raises:
        ArtefactError: a file is missing or damaged, or holds something else than unit vectors.
    """
    with verifying():
        index = Index.open(folder)
    names = [entry.id for entry in index.entries]
    embeddings, features = index.embedded(names)
    try:
        for rows in (index.vectors, embeddings, features):
            if rows is not None:
                check_vectors(rows, None, names)
    except InputError as error:
        raise ArtefactError(f"{folder} cannot be searched: {error}; make it anew") from error
    rows = np.unique(np.linspace(0, index.count - 1, _SAMPLE).astype(np.int64))
    found = index.search(index.vectors[rows], k=1)
    # A twin of the image scores the same and may stand for it.
    own = (index.vectors[rows].astype(np.float64) ** 2).sum(axis=1)
    hits = [best.score >= score - 1e-9 for [best], score in zip(found, own, strict=True)]
    return IndexReport(
        index.count, index.dim, index.generation, index.how, float(np.mean(hits)), len(rows)
    )


@dataclass(frozen=True)
class ImagesReport:
    """What has become of the files that an index was made of.

    Attributes:
        files: how many there are by the index, every place of an image counted.
        missing: paths where there is no file any more.
        changed: paths of files with another content.
        unreadable: paths of files that cannot be read.
        advice: what to do; empty where all is as it was.
    """

    files: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    unreadable: tuple[str, ...]
    advice: str

    @property
    def faults(self) -> int:
        """How many files are not as they were indexed."""
        return len(self.missing) + len(self.changed) + len(self.unreadable)

    @property
    def unchanged(self) -> int:
        """How many are."""
        return self.files - self.faults


def verify_images(folder: Path) -> ImagesReport:
    """Hash the files of all images of an index, and compare them with what was indexed.

    Raises:
        ArtefactError: the folder is no index, or damaged.
    """
    index = Index.open(folder.resolve())
    states: dict[str, list[str]] = {"missing": [], "changed": [], "unreadable": []}
    files = [(place, entry.sha256) for entry in index.entries for place in entry.places]
    with progress("hashing", len(files)) as bar:
        for place, sha256 in files:
            if state := _state_of(place, sha256):
                states[state].append(place)
            bar.advance()
    faulty = [place for places in states.values() for place in places]
    advice = _advice(index.roots, faulty[0]) if faulty else ""
    missing, changed, unreadable = map(tuple, states.values())
    return ImagesReport(len(files), missing, changed, unreadable, advice)


def _state_of(place: str, sha256: str) -> str | None:
    path = found_as_written(Path(place))
    try:
        if not path.is_file():
            return "missing"
        return None if hash_file(path) == sha256 else "changed"
    except (OSError, InputError):
        return "unreadable"


def _advice(roots: Sequence[Root], place: str) -> str:
    """Say what to do about a file that is not as it was indexed."""
    root = root_of(roots, place)
    if root is None:
        return "index them again with 'zscr index add'"
    if not root.is_there:
        return (
            f"{root.path} is not there: mount its disk, or if it was moved, run 'zscr index "
            f"relocate {root.name} FOLDER'"
        )
    if os.path.isfile(os.path.join(root.path, MANIFEST)):
        return (
            f"'zscr data check {root.path}' looks at the whole collection: copy it again or make "
            f"it anew, then run 'zscr export' or 'zscr index add' again"
        )
    return f"run 'zscr index sync {root.path}', which says with --dry-run what it would do"
