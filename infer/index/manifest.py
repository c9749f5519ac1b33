"""An index's manifest: a line a segment, and what is known of the index as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.arrays import npy_from
from zscr.artefact import Manifest, read_verified
from zscr.errors import ArtefactError
from zscr.extras import has_extra
from zscr.infer.index.calibration import Unrelated, calibrations_from
from zscr.infer.index.choice import EF_CONSTRUCTION, Choice, M, Measured, without_hnswlib
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.entry import skipped_from
from zscr.infer.index.exact import Vectors
from zscr.infer.index.files import check_names, name_of, open_segment, read_rows
from zscr.infer.index.generation import Generation
from zscr.infer.index.roots import root_from, root_row
from zscr.infer.index.segment import Segment
from zscr.infer.index.stack import Stack
from zscr.infer.index.tensor import is_sound
from zscr.infer.precision import PLAIN
from zscr.progress import say

KIND = "index"


def body(now: Generation, folder: Path) -> dict[str, Any]:
    """Return the manifest's fields, for an index that is in `folder`."""
    asked, approximate = now.unrelated, now.hnsw is not None
    return {
        "space": now.space,
        "bundle_name": now.bundle_name,
        "metric": "cosine",
        "dim": now.dim,
        "feature_dim": None if now.features is None else now.features.shape[1],
        "stored": now.stored,
        "precision": now.precision,
        "diffusion": now.diffusion and asdict(now.diffusion),
        "count": now.count,
        "segments": [
            {
                "number": segment.number,
                "count": segment.count,
                "removed": len(segment.removed),
                "in_hnsw": segment.in_hnsw,
            }
            for segment in now.stack.segments
        ],
        "next_label": now.next_label,
        "next_segment": now.next_segment,
        "unmeasured": now.unmeasured,
        "roots": [root_row(root, folder) for root in now.roots],
        "duplicates": "link" if now.linked else "keep",
        "generation": now.number,
        "M": M if approximate else None,
        "ef_construction": EF_CONSTRUCTION if approximate else None,
        **asdict(now.choice),
        "calibrations": [asdict(one) for one in now.calibrations],
        "unrelated": asked and {"graph": asked.graph, "of": asked.of, "classes": asked.classes},
    }


def read_generation(folder: Path, manifest: Manifest, before: Generation | None) -> Generation:
    """Open the generation that a manifest names; of segments, what is used is proved then.

    Args:
        folder: of the index; manifest: of it.
        before: another generation of the same index, whose segments are taken over.

    Raises:
        ArtefactError: a file is missing, damaged where it was read, or contradicts the manifest.
        MissingExtraError: HNSW was asked for when it was made, and hnswlib is not installed.
    """
    try:
        check_names(manifest)
        held = {one.number: one for one in before.stack.segments} if before else {}
        return _read(folder, manifest, held)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(
            f"{folder} contradicts its manifest ({error!r}); make it anew"
        ) from error


def _read(folder: Path, manifest: Manifest, held: Mapping[int, Segment]) -> Generation:
    stack, choice = _stack(folder, manifest, held), choice_of(manifest.body)
    if choice.search == "hnsw" and not has_extra("hnsw"):
        choice = without_hnswlib(choice)
        say(f"{folder}: {choice.how}")
    if choice.search != "hnsw":
        return assemble(folder, manifest, stack.with_hnsw(False), choice)
    from zscr.infer.index.hnsw_of import open_hnsw  # which an index without HNSW need not know

    hnsw = open_hnsw(folder, manifest, stack)
    return replace(assemble(folder, manifest, stack, choice), hnsw=hnsw)


def assemble(folder: Path, manifest: Manifest, stack: Stack, choice: Choice) -> Generation:
    """Return a generation of rows, and of what its manifest tells beside, without HNSW.

    Raises:
        ArtefactError: a file is damaged.
        ValueError: one holds something else.
    """
    fields = manifest.body
    roots = {row["name"]: root_from(row, folder) for row in fields["roots"]}
    errors = name_of(manifest, "errors")
    rows = read_rows(read_verified(folder, manifest, errors) if errors else None)
    return Generation(
        number=fields["generation"],
        space=fields["space"],
        bundle_name=fields["bundle_name"],
        stack=stack,
        choice=choice,
        queries=_matrix(folder, manifest, "queries", fields["dim"]),
        errors=tuple(skipped_from(row, roots) for row in rows),
        diffusion=Diffusion(**fields["diffusion"]) if fields["diffusion"] else None,
        roots=tuple(roots.values()),
        linked=fields["duplicates"] == "link",
        unrelated=_unrelated(folder, manifest),
        calibrations=calibrations_from(fields["calibrations"]),
        stored=fields["stored"],
        precision=fields.get("precision", PLAIN),
        next_label=fields["next_label"],
        next_segment=fields["next_segment"],
        unmeasured=fields["unmeasured"],
    )


def _stack(folder: Path, manifest: Manifest, held: Mapping[int, Segment]) -> Stack:
    """Return the segments one after the other.

    Raises:
        ValueError: they are not of the manifest's shape, or a label or number is yet to be given.
    """
    fields = manifest.body
    stack = Stack.of(
        [
            held.get(row["number"]) or open_segment(folder, manifest, row)
            for row in fields["segments"]
        ]
    )
    wanted = {"vectors": (fields["dim"], fields["stored"])}
    if fields["diffusion"]:
        wanted["raw"] = wanted["vectors"]
    if fields["feature_dim"]:
        wanted["features"] = (fields["feature_dim"], "float16")
    for segment in stack.segments:
        has = {name: (t.shape[1], t.dtype.name) for name, t in segment.wide.items() if len(t)}
        if segment.count and has != wanted:
            raise ValueError(f"segment {segment.number} has {has}, not {wanted}")
        if segment.count and segment.labels.max() >= fields["next_label"]:
            raise ValueError(f"segment {segment.number} has labels that are not given yet")
    if (
        stack.count != fields["count"]
        or max(s.number for s in stack.segments) >= fields["next_segment"]
    ):
        raise ValueError(f"{stack.count} rows, not {fields['count']}")
    return stack


def _matrix(folder: Path, manifest: Manifest, stem: str, dim: int) -> Vectors | None:
    """Return the unit rows (Q, dim) of a file of the whole index, None if there is none.

    Raises:
        ArtefactError: it is damaged.
        ValueError: it holds something else.
    """
    name = name_of(manifest, stem)
    if name is None:
        return None
    matrix: npt.NDArray[Any] = npy_from(read_verified(folder, manifest, name), name)
    if matrix.dtype != np.float32 or matrix.ndim != 2 or matrix.shape[1] != dim:
        raise ValueError(f"{stem} are {matrix.dtype} {matrix.shape}, not float32 (-1, {dim})")
    if not is_sound(matrix):
        raise ValueError(f"{stem} hold NaN, infinity or rows that are far from unit length")
    return matrix


def _unrelated(folder: Path, manifest: Manifest) -> Unrelated | None:
    about = manifest.body["unrelated"]
    vectors = _matrix(folder, manifest, "unrelated", manifest.body["dim"])
    if (about is None) != (vectors is None):
        raise ValueError("unrelated queries are told of, or there, but not both")
    if about is None or vectors is None:
        return None
    if len(vectors) != len(about["classes"]):
        raise ValueError(f"{len(vectors)} unrelated queries of {len(about['classes'])} classes")
    return Unrelated(about["graph"], about["of"], vectors, tuple(about["classes"]))


def choice_of(fields: Mapping[str, Any]) -> Choice:
    """Return how an index is searched by its manifest's fields."""
    own = {key: fields[key] for key in ("search", "how", "pinned", "ef", "recall")}
    measured = fields["measured"]
    return Choice(**own, measured=None if measured is None else Measured(**measured))
