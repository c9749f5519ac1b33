"""A step in chunks has the gradients of the whole batch at once, dropout and all."""

from __future__ import annotations

import pytest
import torch

from tests.train.clip.small_towers import BATCH, Towers, gradients, seeds
from zscr.train.methods.clip.step import backward, cut
from zscr.train.methods.losses import info_nce


def plainly(dropout: float, size: int) -> list[torch.Tensor]:
    """Return the same by one graph of all, whose chunks draw their dropout from the same seeds."""
    towers = Towers(dropout).double()
    towers.rows = [rows.double() for rows in towers.rows]
    parts = []
    count = -(-BATCH // size)
    for seed, batch in zip(seeds(), torch.tensor_split(torch.arange(BATCH), count), strict=False):
        torch.manual_seed(seed)
        parts.append(towers.encode(batch))
    left, right = (torch.cat(side) for side in zip(*parts, strict=True))
    loss = info_nce(left, right, towers.log_scale.exp(), towers.hidden)
    loss.backward()
    return [loss.detach(), *(one.grad for one in towers.parameters())]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("size", [12, 5, 1])
def test_chunks_have_the_gradients_of_one_graph(dropout: float, size: int) -> None:
    """To 1e-6; chunks are encoded without a graph first, and with the same dropout again."""
    for found, wanted in zip(gradients(dropout, size), plainly(dropout, size), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


def test_chunks_are_exact_without_dropout() -> None:
    """Any cut gives the same gradients; and dropout does change them, so the test above sees it."""
    whole = gradients(0.0, BATCH)
    for found, wanted in zip(gradients(0.0, 5), whole, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    assert (gradients(0.5, BATCH)[1] - whole[1]).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("pairs", "size", "ranks", "sizes"),
    [(12, 12, 1, [12]), (12, 5, 1, [4, 4, 4]), (7, 4, 3, [3, 2, 2]), (9, 2, 2, [2, 2, 2, 1, 1, 1])],
)
def test_every_rank_has_as_many_chunks(pairs: int, size: int, ranks: int, sizes: list[int]) -> None:
    """None is larger than allowed, and together they are the batch in its order."""
    chunks = cut(torch.arange(pairs), size, ranks, seeds())
    assert [len(one.batch) for one in chunks] == sizes
    assert torch.cat([torch.arange(pairs)[one.span] for one in chunks]).tolist() == [*range(pairs)]
    assert all(torch.equal(one.batch, torch.arange(pairs)[one.span]) for one in chunks)


def test_the_generator_of_others_is_left_alone() -> None:
    """What draws from torch's own generator beside the training draws what it would have drawn."""
    towers, batch = Towers(0.5), torch.arange(BATCH)
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    backward(towers, towers.encode, cut(batch, 5, 1, seeds()), towers.hidden, towers.log_scale)
    assert torch.equal(torch.rand(3), wanted)
