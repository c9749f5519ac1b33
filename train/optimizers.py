"""RMSProp and Adam as TensorFlow 1 computes them, which torch's own cannot be set to do.

Updates are bound by memory and by calls. So the parameters of an optimizer lie in one buffer, and
so do their gradients: a GPU updates all of them by a few kernels, the CPU makes all operations on
one cache-sized block after the other, which takes half the time of one after the other on all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import torch

BLOCK = 1 << 16  # floats; what is read and written again of a block stays in a core's cache
SMALL = 1 << 20  # floats up to which that is not worth the calls


class _Flat:
    """Parameters moved into one buffer, and a buffer of their gradients; they become views.

    Attributes:
        values, gradients: (P,) of all parameters one after the other.
    """

    def __init__(self, parameters: list[torch.Tensor]) -> None:
        self.parameters = parameters
        self.values = torch.cat([p.detach().flatten() for p in parameters])
        self.gradients = torch.zeros_like(self.values)
        sizes = [p.numel() for p in parameters]
        self.views = [
            part.view_as(p)
            for part, p in zip(torch.split(self.gradients, sizes), parameters, strict=True)
        ]
        for p, part, view in zip(
            parameters, torch.split(self.values, sizes), self.views, strict=True
        ):
            p.data, p.grad = part.view_as(p), view

    def gather(self) -> None:
        """Copy in the gradients that autograd or a user has put beside the buffer."""
        for p, view in zip(self.parameters, self.views, strict=True):
            if p.grad is not view:
                assert p.grad is not None, "every parameter of the optimizer needs a gradient"
                view.copy_(p.grad)
                p.grad = view

    def blocks(self, *states: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield values, gradients, states and scratch, of the same elements each."""
        size = len(self.scratch)
        columns = (self.values, self.gradients, *states)
        blocks = list(zip(*(torch.split(column, size) for column in columns), strict=True))
        for block in blocks[:-1]:
            yield *block, self.scratch
        yield *blocks[-1], self.scratch[: len(blocks[-1][0])]

    @cached_property
    def scratch(self) -> torch.Tensor:
        """What the update of a block writes in between; fresh memory would cost page faults."""
        small = self.values.device.type != "cpu" or len(self.values) <= SMALL
        return torch.empty_like(self.values if small else self.values[:BLOCK])


class TFRMSprop(torch.optim.Optimizer):
    """v <- 0.9 v + 0.1 g²; p <- p - lr · g / sqrt(v + eps), with v starting at ones.

    PyTorch's starts at zeros, decays by 0.99 and adds eps outside the root, so its first steps
    are several times larger. The state is u = v + eps, which follows u <- 0.9 u + 0.1 (g² + eps):
    one operation less, and where no gradient comes it does not fade into slow denormal numbers.

    Args:
        params: the parameters, all of which must have a gradient in a step.
        lr: step size.
        decay: of the squared-gradient average (TF1 default 0.9).
        eps: inside the root (TF1 default 1e-10).
        limit: after the step, values stay within ± this.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        decay: float = 0.9,
        eps: float = 1e-10,
        limit: float = math.inf,
    ) -> None:
        super().__init__(params, {"lr": lr, "decay": decay, "eps": eps, "limit": limit})
        [group] = self.param_groups
        self.first, self.flat = group["params"][0], _Flat(group["params"])
        values = self.flat.values
        self.fresh = values.new_tensor((1 - decay) * eps)  # what eps adds in a step
        self.state[self.first]["square_eps"] = torch.full_like(values, 1 + eps)

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter; a closure is not supported."""
        assert closure is None
        self.update()

    @torch.no_grad()
    def update(self) -> None:
        """Update every parameter, without torch's hooks around a step (a fifth of a small one)."""
        self.flat.gather()
        [group] = self.param_groups
        decay, new = group["decay"], 1 - group["decay"]
        for p, g, u, root in self.flat.blocks(self.state[self.first]["square_eps"]):
            torch.add(self.fresh, u, alpha=decay, out=u).addcmul_(g, g, value=new)
            p.addcdiv_(g, torch.sqrt(u, out=root), value=-group["lr"])
            if group["limit"] < math.inf:
                p.clamp_(-group["limit"], group["limit"])


class TFAdam(torch.optim.Optimizer):
    """p <- p - lr_t · m / (sqrt(v) + eps), with lr_t = lr · sqrt(1 - b2^t) / (1 - b1^t).

    PyTorch's corrects the bias of v before it adds eps, so its eps weighs less in early steps
    (Kingma and Ba 2015 give both forms; TF1 has the one "before section 2.1").

    Args:
        params: the parameters, all of which must have a gradient in a step.
        lr: step size.
        betas: b1 and b2, the decays of m and v.
        eps: added to the uncorrected root (TF1 default 1e-8).
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})
        [group] = self.param_groups
        self.first, self.flat = group["params"][0], _Flat(group["params"])
        values = self.flat.values
        # float64: 1 - b2^t loses half of its digits in float32
        step = torch.zeros((), dtype=torch.float64, device=values.device)
        state = {"step": step, "m": torch.zeros_like(values), "v": torch.zeros_like(values)}
        self.state[self.first].update(state)

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter; a closure is not supported."""
        assert closure is None
        self.update()

    @torch.no_grad()
    def update(self) -> None:
        """Update every parameter, without torch's hooks around a step."""
        self.flat.gather()
        [group], state = self.param_groups, self.state[self.first]
        b1, b2 = group["betas"]
        state["step"] += 1  # on the device: a captured graph counts by itself
        rate = group["lr"] * (1 - b2 ** state["step"]).sqrt() / (1 - b1 ** state["step"])
        for p, g, m, v, root in self.flat.blocks(state["m"], state["v"]):
            m.mul_(b1).add_(g, alpha=1 - b1)
            v.mul_(b2).addcmul_(g, g, value=1 - b2)
            torch.sqrt(v, out=root)
            root.add_(group["eps"]).div_(-rate)
            p.addcdiv_(m, root)
