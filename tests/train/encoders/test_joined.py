"""Two text encoders as one: their rows side by side, and what either reads is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.infer.encoder import Encoder, load_encoder
from zscr.train.encoders.resolve import text_encoder

TEXTS = ["a red circle", "small green", "zebra circle", "zebra", "!", "large " * 30]


@pytest.fixture(scope="module")
def parts(shapes: Path, tiny_text: Path) -> tuple[Encoder, Encoder, Encoder]:
    """Return TF-IDF, a transformer, and both joined, by the name that a user gives."""
    collection = read_collection(shapes)
    names = ("tfidf", str(tiny_text), f"tfidf+{tiny_text}")
    first, second, both = (load_encoder(text_encoder(name, collection)) for name in names)
    return first, second, both


def test_rows_are_those_of_the_parts(parts: tuple[Encoder, Encoder, Encoder]) -> None:
    """Whatever the batch, though each cuts a text into tokens of its own."""
    first, second, both = parts
    queries = Query.of("text", TEXTS)
    wanted = np.hstack([first.encode(queries), second.encode(queries)])
    for size in (1, 4, 32):
        np.testing.assert_allclose(both.encode(queries, batch_size=size), wanted, atol=1e-6)


def test_what_either_reads_is_read(parts: tuple[Encoder, Encoder, Encoder]) -> None:
    """TF-IDF drops 'a', which the transformer knows; neither knows 'zebra'."""
    *_, both = parts
    prepared = both.prepare(Query.of("text", [*TEXTS, "a"]))
    assert prepared.unknown == {2: ("zebra",), 3: ("zebra",)}
    assert prepared.blank == (3, 4)
    assert prepared.truncated == (5,)
