"""An answer does not depend on the batch that its query came in, whatever is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from zscr.data.records import Query
from zscr.infer.bundle import Bundle
from zscr.infer.index.entry import Entry
from zscr.infer.index.index import Index
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher

COUNT = 40  # more than a batch
TOLERANCE = 1e-6  # of a score: float32 products are rounded differently for another batch


def drawn(count: int, seed: int) -> list[Image.Image]:
    """Make images of noise, of odd sizes."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(9, 40, (count, 2))
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)) for size in sizes]


def scribbled(count: int) -> list[Image.Image]:
    """Make drawings of five black strokes on white."""
    rng = np.random.default_rng(2)
    sheets = [Image.new("RGB", (64, 48), "white") for _ in range(count)]
    for sheet in sheets:
        for ends in rng.integers(4, 44, (5, 4)).tolist():
            ImageDraw.Draw(sheet).line(ends, "black", 3)
    return sheets


def captions(count: int) -> list[str]:
    """Make texts of one to twenty letters."""
    rng = np.random.default_rng(3)
    return ["".join(rng.choice([*"abcdefg"], 1 + row % 20)) for row in range(count)]


def asked(kind: str) -> list[Query]:
    """Make queries of a kind, or of all that one bundle answers, in no order."""
    texts, images = captions(COUNT), drawn(COUNT, 4)
    made = {
        "text": Query.of("text", texts),
        "image": Query.of("image", images),
        "sketch": Query.of("sketch", scribbled(COUNT)),
        "composed": [
            Query(str(n), t, i) for n, (t, i) in enumerate(zip(texts, images, strict=True))
        ],
    }
    if kind == "mixed":
        mixed = [*made["text"], *made["image"], *made["composed"]]
        return [mixed[row] for row in np.random.default_rng(5).permutation(len(mixed))]
    return made[kind]


@pytest.mark.parametrize("kind", ["text", "image", "sketch", "composed", "mixed"])
def test_alone_and_in_a_batch(kind, make_bundle, tmp_path):
    """The same images, with the same scores but for rounding."""
    takes = "sketch" if kind == "sketch" else "text"
    bundle = Bundle.open(make_bundle(tmp_path / "birds", takes=takes), Runtime(threads=1))
    vectors = bundle.gallery.encode(Query.of("image", drawn(60, 6)))
    entries = [Entry(f"{row:02}", f"{row:064x}") for row in range(60)]
    about = {"space": bundle.space, "bundle_name": bundle.name}
    index = Index.create(tmp_path / "i", entries=entries, vectors=vectors, **about)
    searcher, queries = Searcher(bundle, index), asked(kind)
    together = [*searcher.answers(queries, k=60)]
    alone = [answer for query in queries for answer in searcher.answers([query], k=60)]
    assert len({answer.hits[0].id for answer in alone}) > 3, "they do differ"
    for one, other in zip(alone, together, strict=True):
        assert one.error is other.error is None
        ours, theirs = ({hit.id: hit.score for hit in answer.hits} for answer in (one, other))
        assert ours.keys() == theirs.keys()
        worst = max(abs(ours[name] - theirs[name]) for name in ours)
        assert worst <= TOLERANCE, f"{one.query.id}: {worst:.1e}"
