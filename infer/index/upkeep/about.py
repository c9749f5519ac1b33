"""What an index is, in the lines that `zscr index info` prints."""

from __future__ import annotations

from collections.abc import Iterator

from zscr.data.walk import passed_over
from zscr.infer.index.index import Index
from zscr.printable import printable


def about(index: Index) -> Iterator[str]:
    """Yield a line each: images and search, rows, features, origin, folders, calibrations."""
    yield f"{index.count} images of {index.dim} dimensions, {index.how}"
    yield _rows(index)
    features = index.features
    held = "no image features" if features is None else f"image features of {features.shape[1]}"
    yield f"{held}, embeddings {index.diffusion or 'not diffused'}"
    yield (
        f"generation {index.generation}, made by the bundle {printable(index.bundle_name)} "
        f"in the space {index.space[:12]}, in {printable(index.precision)}"
    )
    for root in index.roots:
        where = "" if root.is_there else ", which is not there"
        there = f"; passed over: {passed_over(root.passed)}" if root.passed else ""
        yield printable(f"folder {root.name}: {root.path}{where}{there}")
    if index.linked:
        places = sum(len(entry.places) for entry in index.entries)
        yield f"a content is one image, with all of its places: {places} in all"
    for one in index.calibrations or ["not calibrated: it is not known what is unrelated to it"]:
        yield printable(one)
    yield f"{len(index.errors)} images were skipped"


def _rows(index: Index) -> str:
    stack, stored = index.now.stack, index.now.stored
    ended, late = sum(map(len, stack.ended)), stack.tail.count
    waiting = f", {late} not in HNSW yet" if index.now.hnsw and late else ""
    return f"{len(stack.segments)} segments of {stored}, {ended} rows ended{waiting}"
