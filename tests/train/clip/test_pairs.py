"""Which pairs are drawn together, and which of them are no negatives of each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zscr.infer.features.table import Split, Table, starts_of
from zscr.train.methods.clip.pairs import Pairs
from zscr.train.methods.losses import info_nce
from zscr.train.tables import to_device


def pairs_of(images: list[float], texts: list[list[float]]) -> Pairs:
    """Pair items of one number an image and several numbers as texts."""
    flat = [text for own in texts for text in own]
    names = tuple(map(str, range(len(flat))))
    tables = {
        "image": (images, [1] * len(images)),
        "text": (flat, [*map(len, texts)]),
    }
    made = {
        name: Table(names[: len(rows)], np.array(rows, np.float32)[:, None], starts_of(counts))
        for name, (rows, counts) in tables.items()
    }
    return Pairs.of(to_device(Split(names[: len(images)], made), "cpu"))


def test_captions_of_one_image_and_equal_captions_are_no_negatives() -> None:
    """Items 0 (texts 5 and 6), 1 (text 5) and 2, whose image is that of 1 in another file."""
    pairs = pairs_of([1.0, 2.0, 2.0], [[5.0, 6.0], [5.0], [7.0]])
    hidden = pairs.hidden(torch.tensor([0, 1, 2, 3])).int().tolist()
    assert hidden == [[0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]]


def test_a_hidden_pair_is_in_no_sum() -> None:
    """By hand: cosines 1, 0 and .6; with rows 0 and 1 apart, row 0 has the one negative 2."""
    left = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    hidden = torch.zeros(3, 3, dtype=torch.bool)
    hidden[0, 1] = hidden[1, 0] = True
    terms = [1 + np.exp(0.6 - 1), 1 + np.exp(0.8 - 1), 1 + np.exp(0.6 - 1) + np.exp(0.8 - 1)]
    wanted = np.log(terms).mean()
    assert float(info_nce(left, left, 1.0, hidden)) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(("size", "sizes"), [(2, [2, 2]), (3, [3]), (8, [5])])
def test_a_round_draws_each_text_at_most_once(size: int, sizes: list[int]) -> None:
    """Whole batches alone, unless a batch is larger than all there is; another order each time."""
    pairs = pairs_of([1.0, 2.0, 3.0], [[1.0, 2.0], [3.0, 4.0], [5.0]])
    noise = torch.Generator().manual_seed(7)
    rounds = [torch.cat([*pairs.batches(size, noise)]).tolist() for _ in range(4)]
    assert [len(batch) for batch in pairs.batches(size, noise)] == sizes
    assert all(len({*one}) == len(one) == sum(sizes) for one in rounds)
    assert len({*map(tuple, rounds)}) > 1
