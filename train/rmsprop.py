"""RMSProp as TensorFlow 1 computes it, which `torch.optim.RMSprop` cannot be set to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch


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
            parameters = [p for p in group["params"] if p.grad is not None]
            gradients = [p.grad for p in parameters]
            squares = [self.state[p]["square"] for p in parameters]
            torch._foreach_mul_(squares, group["decay"])
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["decay"])
            roots = torch._foreach_add(squares, group["eps"])
            torch._foreach_sqrt_(roots)
            torch._foreach_addcdiv_(parameters, gradients, roots, -group["lr"])
