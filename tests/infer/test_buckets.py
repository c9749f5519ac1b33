"""Texts that are run in groups: an answer does not depend on the batch that its query came in."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from zscr.data.records import Query
from zscr.infer.buckets import buckets
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.inputs.text import TextInput

WORDS = "a on grey ground small large red green blue black white circle square".split()
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=13).map(" ".join)
TOLERANCE = 1e-6  # products of other sizes are rounded in another order


@pytest.fixture(scope="module")
def encoder(tiny_text) -> Encoder:
    return load_encoder(tiny_text)


class Shapes:
    """A runner that notes what it is given."""

    def __init__(self, runner) -> None:
        self.runner, self.outputs, self.ran = runner, runner.outputs, runner.ran
        self.seen: list[tuple[int, int]] = []

    def run(self, feeds):
        self.seen += {array.shape for array in feeds.values()}
        return self.runner.run(feeds)


@settings(max_examples=30)
@given(st.lists(TEXTS, min_size=1, max_size=40))
def test_alone_and_in_any_batch(encoder, texts):
    """By a real BERT: each row is its own query's, in the order of the queries."""
    queries = [Query(text=text) for text in texts]
    together = encoder.encode(queries, batch_size=40)
    alone = np.concatenate([encoder.encode([query]) for query in queries])
    assert np.abs(together - alone).max() <= TOLERANCE, np.abs(together - alone).max()


def test_short_texts_are_not_padded_to_long_ones(encoder):
    """Two groups of 4 and of 13 tokens, which [CLS] and [SEP] add two to, instead of one."""
    shapes = Shapes(encoder.runner)
    watched = Encoder(
        encoder.graph,
        encoder.specs,
        output=encoder.outputs[0],
        name="x",
        sha256="",
        opening=lambda: shapes,
    )
    long, short = " ".join(WORDS), "a red circle"
    watched.encode([Query(text=text) for text in (long, short, long, short, short)])
    assert shapes.seen == [(3, 5), (2, 15)]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=50))
def test_every_row_is_in_one_group_that_holds_it(lengths):
    """No row lost or twice, no token cut, less than eight tokens of padding."""
    mask = (np.arange(40) < np.array(lengths)[:, None]).astype(np.int64)
    seen = Counter[int]()
    for rows, length in buckets(mask):
        seen.update(rows.tolist())
        own = [max(1, lengths[row]) for row in rows]
        assert max(own) == length
        assert length - min(own) < 8
    assert seen == Counter(range(len(lengths)))


@pytest.mark.parametrize(
    ("change", "cut"),
    [
        ({}, "mask"),
        ({"pad_to": 16}, None),
        ({"names": ["ids"]}, None),
    ],
)
def test_only_where_padding_is_told_and_counts_for_nothing(encoder, change, cut):
    """SigLIP pools the last position of texts of a fixed length, which has no mask to cut by."""
    spec = encoder.specs[0] | {"names": ["ids", "mask"]} | change
    assert TextInput(spec, encoder.graph.parent).mask == cut


def test_padding_in_front_is_not_cut(encoder, tmp_path):
    """As of a model whose tokenizer pads on the left."""
    spec = encoder.specs[0]
    tokenizer = Tokenizer.from_file(str(encoder.graph.parent / spec["tokenizer"]))
    tokenizer.enable_padding(direction="left")
    tokenizer.save(str(tmp_path / spec["tokenizer"]))
    assert TextInput(spec, tmp_path).mask is None
