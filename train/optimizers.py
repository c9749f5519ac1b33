"""RMSProp and Adam as TensorFlow 1 computes them, which torch's own cannot be set to do.

Updates are bound by memory. A GPU makes each operation on all parameters at once; the CPU makes
all operations on one cache-sized block after the other, which halves the time (measured).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

BLOCK = 1 << 15  # floats; parameter, gradient and state of a block fit into a core's cache

Blocks = list[torch.Tensor]


class TFRMSprop(torch.optim.Optimizer):
    """v <- 0.9 v + 0.1 g²; p <- p - lr · g / sqrt(v + eps), with v starting at ones.

    PyTorch's starts at zeros, decays by 0.99 and adds eps outside the root, so its first steps
    are several times larger.

    Args:
        params: the parameters.
        lr: step size.
        decay: of the squared-gradient average (TF1 default 0.9).
        eps: inside the root (TF1 default 1e-10).
    """

    def __init__(
        self, params: Iterable[torch.Tensor], lr: float, decay: float = 0.9, eps: float = 1e-10
    ) -> None:
        super().__init__(params, {"lr": lr, "decay": decay, "eps": eps})
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["square"] = torch.ones_like(parameter)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient; a closure is not supported."""
        assert closure is None
        for group in self.param_groups:
            for parameters, gradients, squares in _blocks(self, group["params"], "square"):
                torch._foreach_mul_(squares, group["decay"])
                torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["decay"])
                roots = torch._foreach_add(squares, group["eps"])
                torch._foreach_sqrt_(roots)
                torch._foreach_addcdiv_(parameters, gradients, roots, -group["lr"])


class TFAdam(torch.optim.Optimizer):
    """p <- p - lr_t · m / (sqrt(v) + eps), with lr_t = lr · sqrt(1 - b2^t) / (1 - b1^t).

    PyTorch's corrects the bias of v before it adds eps, so its eps weighs less in early steps
    (Kingma and Ba 2015 give both forms; TF1 has the one "before section 2.1").

    Args:
        params: the parameters; they are updated together, by one count of steps.
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
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p].update(m=torch.zeros_like(p), v=torch.zeros_like(p))
            first = group["params"][0]
            # float64: 1 - b2^t loses half of its digits in float32
            step = torch.zeros((), dtype=torch.float64, device=first.device)
            self.state[first]["step"] = step

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient; a closure is not supported."""
        assert closure is None
        for group in self.param_groups:
            (b1, b2), step = group["betas"], self.state[group["params"][0]]["step"]
            step += 1  # on the device: a captured graph counts by itself
            rate = -group["lr"] * (1 - b2**step).sqrt() / (1 - b1**step)
            for parameters, gradients, means, squares in _blocks(self, group["params"], "m", "v"):
                torch._foreach_mul_(means, b1)
                torch._foreach_add_(means, gradients, alpha=1 - b1)
                torch._foreach_mul_(squares, b2)
                torch._foreach_addcmul_(squares, gradients, gradients, 1 - b2)
                roots = torch._foreach_sqrt(squares)
                torch._foreach_add_(roots, group["eps"])
                torch._foreach_div_(roots, rate.to(roots[0].dtype))
                torch._foreach_addcdiv_(parameters, means, roots)


def _blocks(
    optimizer: torch.optim.Optimizer, parameters: Iterable[torch.Tensor], *names: str
) -> Iterator[tuple[Blocks, ...]]:
    """Yield parameters, gradients and states that are updated together, as lists of tensors."""
    rows: list[tuple[torch.Tensor, ...]] = [
        (p, p.grad, *(optimizer.state[p][name] for name in names))
        for p in parameters
        if p.grad is not None
    ]
    if rows and rows[0][0].device.type == "cuda":
        yield tuple(list(column) for column in zip(*rows, strict=True))
        return
    for row in rows:
        pieces = (tensor.view(-1).split(BLOCK) for tensor in row)
        yield from (tuple([piece] for piece in block) for block in zip(*pieces, strict=True))
