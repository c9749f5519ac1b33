"""Recorded work is done once a call, on the call's own inputs."""

from __future__ import annotations

import pytest
import torch

from zscr.train.cuda_graph import WARM_UP, Replay, cuda_graph


class Counter:
    """Adds its input to a total that stays, and returns the total's double."""

    def __init__(self, device: str = "cpu") -> None:
        self.total, self.runs = torch.zeros(2, device=device), 0

    def __call__(self, amount: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        self.total += amount
        return 2 * self.total


def rerun(work):
    """Record as a CPU can: remember the work and where its result lies, undoing its one run."""
    output = torch.empty(2)
    return lambda: output.copy_(work()), output


@pytest.mark.parametrize("capture", [None, rerun], ids=["called", "recorded"])
def test_every_call_works_once_on_its_own_input(capture) -> None:
    """Before, at and after the recording, totals and results are those of plain calls."""
    counter = Counter()
    replay = Replay(counter, torch.device("cpu"), capture)
    for number in range(1, WARM_UP + 5):
        result = replay(torch.tensor([1.0, float(number)]))
        expected = torch.tensor([float(number), number * (number + 1) / 2])
        assert torch.equal(counter.total, expected)
        assert torch.equal(result, 2 * expected)
        assert counter.runs == number


def test_inputs_of_other_shapes_are_refused() -> None:
    """A recording reads memory of one shape; others would be broadcast into it at best."""
    replay = Replay(Counter(), torch.device("cpu"), rerun)
    for _ in range(WARM_UP + 1):
        replay(torch.ones(2))
    with pytest.raises(RuntimeError, match="size"):
        replay(torch.ones(3))


@pytest.mark.gpu
def test_cuda_records_and_replays() -> None:
    """On the device: the function itself runs no more, and yet its work goes on."""
    counter = Counter("cuda")
    replay = Replay(counter, torch.device("cuda"))
    assert replay.capture is cuda_graph
    for number in range(1, WARM_UP + 5):
        result = replay(torch.ones(2, device="cuda"))
        assert counter.total.tolist() == [number, number]
        assert result.tolist() == [2 * number, 2 * number]
    assert counter.runs == WARM_UP + 1
