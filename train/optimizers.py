"""RMSProp and Adam as TensorFlow 1 computes them, which torch's own cannot be set to do."""

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


class TFAdam(torch.optim.Optimizer):
    """p <- p - lr_t · m / (sqrt(v) + eps), with lr_t = lr · sqrt(1 - b2^t) / (1 - b1^t).

    PyTorch's corrects the bias of v before it adds eps, so its eps weighs less in early steps
    (Kingma and Ba 2015 give both forms; TF1 has the one "before section 2.1").

    Args:
        params: the parameters.
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
                # float64: 1 - b2^t loses half of its digits in float32
                step = torch.zeros((), dtype=torch.float64, device=p.device)
                self.state[p].update(step=step, m=torch.zeros_like(p), v=torch.zeros_like(p))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient; a closure is not supported."""
        assert closure is None
        for group in self.param_groups:
            (b1, b2), eps = group["betas"], group["eps"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                step, m, v = (self.state[p][name] for name in ("step", "m", "v"))
                step += 1  # on the device: a captured graph counts by itself
                rate = group["lr"] * (1 - b2**step).sqrt() / (1 - b1**step)
                m.mul_(b1).add_(p.grad, alpha=1 - b1)
                v.mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                p.sub_(m / v.sqrt().add_(eps) * rate)
