"""RMSProp and Adam as TensorFlow 1 computes them, against hand-made steps and a plain loop."""

from __future__ import annotations

import math

import pytest
import torch

from zscr.train.methods.zscrgan.reference.optimizers import TFAdam, TFRMSprop


def parameter(*values: float) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(values))


def test_two_steps_by_hand() -> None:
    """The accumulator starts at 1, decays by 0.9, and eps stands under the root."""
    p = parameter(0.0)
    optimizer = TFRMSprop([p], lr=0.1)
    p.grad = torch.tensor([2.0])
    optimizer.step()
    # v = 0.9 * 1 + 0.1 * 4 = 1.3
    assert p.item() == pytest.approx(-0.1 * 2 / math.sqrt(1.3), rel=1e-6)
    p.grad = torch.tensor([-1.0])
    optimizer.step()
    # v = 0.9 * 1.3 + 0.1 * 1 = 1.27
    assert p.item() == pytest.approx(-0.2 / math.sqrt(1.3) + 0.1 / math.sqrt(1.27), rel=1e-6)


def test_eps_stands_under_the_root() -> None:
    """With an empty accumulator and a vanishing gradient each step is lr · g / sqrt(eps)."""
    p = parameter(0.0)
    optimizer = TFRMSprop([p], lr=1.0, eps=1e-10)
    optimizer.state[p]["square_and_eps"].fill_(1e-10 / 0.9)
    for step in (1, 2, 3):
        p.grad = torch.tensor([1e-9])
        optimizer.step()
        assert p.item() == pytest.approx(-step * 1e-9 / math.sqrt(1e-10), rel=1e-5)  # not / 1e-10


def test_torch_makes_a_larger_first_step() -> None:
    """PyTorch's own RMSprop with TensorFlow's decay still moves three times as far at first."""
    ours, theirs = parameter(0.0), parameter(0.0)
    for p, optimizer in (
        (ours, TFRMSprop([ours], lr=0.1)),
        (theirs, torch.optim.RMSprop([theirs], lr=0.1, alpha=0.9, eps=1e-10)),
    ):
        p.grad = torch.tensor([0.5])
        optimizer.step()
    assert theirs.item() / ours.item() > 3


@pytest.mark.parametrize("block", [1, 1 << 18], ids=["blocks", "together"])
@pytest.mark.parametrize("as_products", [False, True], ids=["gradients", "products"])
def test_all_parameters_at_once_equal_one_by_one(block: int, as_products: bool) -> None:
    """The update of one buffer and of blocks of matrices is that of a loop over the parameters."""
    generator = torch.Generator().manual_seed(1)
    shapes = [(3, 2), (5,), (1, 1), (2, 7)]
    start = [torch.randn(s, generator=generator) for s in shapes]
    fused = [torch.nn.Parameter(p.clone()) for p in start]
    optimizer = TFRMSprop(fused, lr=0.02, limit=0.5, block=block, product=2)
    plain, squares = [p.clone() for p in start], [torch.ones_like(p) for p in start]
    for _ in range(5):
        for row, p in enumerate(fused):
            left, right = (torch.randn(4, n, generator=generator) for n in (len(p), p.shape[-1]))
            gradient = left.T @ right if p.ndim == 2 else right[0]
            if as_products and p.ndim == 2:
                optimizer.blocks.multiply(p, left, right)
            else:
                p.grad = gradient
            squares[row] = 0.9 * squares[row] + 0.1 * gradient**2
            plain[row] = plain[row] - 0.02 * gradient / (squares[row] + 1e-10).sqrt()
            plain[row] = plain[row].clamp(-0.5, 0.5)
        optimizer.step()
    torch.testing.assert_close([p.data for p in fused], plain, rtol=1e-6, atol=1e-7)
    assert max(p.abs().max() for p in plain) == 0.5


def test_loaded_states_are_what_moves() -> None:
    """Loading replaces the states' tensors; the blocks follow."""
    first, second = (torch.nn.Parameter(torch.zeros(2, 2)) for _ in range(2))
    worn, fresh = (TFRMSprop([p], lr=0.1, block=0) for p in (first, second))
    worn.state[first]["square_and_eps"].fill_(4.0)
    fresh.load_state_dict(worn.state_dict())
    second.grad = torch.ones(2, 2)
    fresh.step()
    torch.testing.assert_close(second.data, torch.full((2, 2), -0.1 / math.sqrt(0.9 * 4 + 0.1)))


def test_what_autograd_leaves_is_what_moves() -> None:
    """Backward adds to the buffer; without a gradient there is no step that could be right."""
    p = parameter(1.0, 2.0)
    optimizer = TFRMSprop([p], lr=0.1)
    (p * torch.tensor([1.0, -1.0])).sum().backward()
    optimizer.step()
    assert [p[0] < 1, p[1] > 2] == [True, True]
    optimizer.zero_grad()
    with pytest.raises(AssertionError, match="needs a gradient"):
        optimizer.step()


def test_two_adam_steps_by_hand() -> None:
    """The rate is corrected for the bias, the root is not, and eps is added to it."""
    p = parameter(0.0)
    optimizer = TFAdam([p], lr=0.1, betas=(0.5, 0.999), eps=1e-2)
    p.grad = torch.tensor([2.0])
    optimizer.step()
    # m = 0.5 * 2 = 1, v = 0.001 * 4 = 0.004, lr_1 = 0.1 * sqrt(0.001) / 0.5
    first = -0.1 * math.sqrt(0.001) / 0.5 * 1 / (math.sqrt(0.004) + 0.01)
    assert p.item() == pytest.approx(first, rel=1e-6)
    p.grad = torch.tensor([-1.0])
    optimizer.step()
    # m = 0.5 * 1 - 0.5 = 0, so the second step rests; v = 0.999 * 0.004 + 0.001
    assert p.item() == pytest.approx(first, rel=1e-6)
    assert optimizer.state[p]["square"].item() == pytest.approx(0.004996, rel=1e-5)
    p.grad = torch.tensor([3.0])
    optimizer.step()
    # m = 1.5, v = 0.999 * 0.004996 + 0.009
    rate = 0.1 * math.sqrt(1 - 0.999**3) / (1 - 0.5**3)
    third = first - rate * 1.5 / (math.sqrt(0.999 * 0.004996 + 0.009) + 0.01)
    assert p.item() == pytest.approx(third, rel=1e-5)


def test_torch_adam_weighs_eps_less() -> None:
    """With an eps of the gradient's size PyTorch's first step is several times larger."""
    ours, theirs = parameter(0.0), parameter(0.0)
    for p, optimizer in (
        (ours, TFAdam([ours], lr=0.1, eps=1.0)),
        (theirs, torch.optim.Adam([theirs], lr=0.1, eps=1.0)),
    ):
        p.grad = torch.tensor([1.0])
        optimizer.step()
    assert theirs.item() / ours.item() > 10
