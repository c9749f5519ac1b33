"""RMSProp and Adam as TensorFlow 1 computes them, which torch's own cannot be set to do.

Both can be brought to the formula of torch's fused Adam, which reads and writes everything once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch

from zscr.train.methods.zscrgan.reference.blocks import Blocks

SETTLED = 1e6  # a step at which Adam no longer corrects the bias of its moments


class FusedOptimizer(torch.optim.Optimizer):
    """What both have in common: parameters in blocks, states beside them, and one fused update.

    Attributes:
        blocks: where parameters, gradients and states lie.
        first: the parameter under which the states of all are kept.
    """

    kept: tuple[str, ...]  # names of the states (P,), in the order in which blocks give them

    def __init__(self, params: Iterable[torch.Tensor], defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        [group] = self.param_groups
        self.blocks, self.first = Blocks(group["params"]), group["params"][0]
        self.settled = torch.tensor(SETTLED, device=self.blocks.values.device)
        # loading replaces the states
        self.register_load_state_dict_post_hook(FusedOptimizer._lay)  # type: ignore[arg-type]

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter; a closure is not supported."""
        assert closure is None
        self.update()

    def update(self) -> None:
        """Update every parameter, without torch's hooks around a step (a fifth of a small one)."""
        raise NotImplementedError

    def _lay(self) -> None:
        """Cut the states with the values."""
        self.blocks.lay(*(self.state[self.first][name] for name in self.kept))

    def _adam(
        self,
        p: torch.Tensor,
        g: torch.Tensor,
        moments: tuple[torch.Tensor, torch.Tensor],
        rate: float | torch.Tensor,
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        """m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g²; p <- p - rate · m / (sqrt(v) + eps)."""
        (m, v), (b1, b2) = moments, betas
        torch._fused_adam_(
            *([p], [g], [m], [v], [], [self.settled]),
            lr=rate,
            beta1=b1,
            beta2=b2,
            weight_decay=0.0,
            eps=eps,
            amsgrad=False,
            maximize=False,
        )


class TFRMSprop(FusedOptimizer):
    """v <- 0.9 v + 0.1 g²; p <- p - lr · g / sqrt(v + eps), with v starting at ones.

    PyTorch's starts at zeros, decays by 0.99 and adds eps outside the root, so its first steps
    are several times larger. v + eps follows u <- 0.9 u + 0.1 (g² + eps), which is Adam's second
    moment of a first one without memory, once 0.1 eps / 0.9 has been added to u. The state is that
    sum, v + eps / 0.9; where no gradient comes it does not fade into slow denormal numbers.

    Args:
        params: the parameters, all of which must have a gradient in a step.
        lr: step size.
        decay: of the squared-gradient average (TF1 default 0.9).
        eps: inside the root (TF1 default 1e-10).
        limit: after the step, values stay within ± this.
    """

    kept = ("square_and_eps",)

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        decay: float = 0.9,
        eps: float = 1e-10,
        limit: float = math.inf,
    ) -> None:
        super().__init__(params, {"lr": lr, "decay": decay, "eps": eps, "limit": limit})
        values = self.blocks.values
        self.fresh = values.new_tensor(eps * (1 - decay) / decay)
        self.state[self.first]["square_and_eps"] = torch.full_like(values, 1 + eps / decay)
        self._lay()

    @torch.no_grad()
    def update(self) -> None:
        """Update every parameter and clip it."""
        [group] = self.param_groups
        decay, limit = group["decay"], group["limit"]
        for g, p, u, scratch in self.blocks:
            self._adam(p, g, (scratch, u), group["lr"], (0.0, decay), eps=0.0)
            u.add_(self.fresh)  # for the next update, while it is in the cache
            if limit < math.inf:
                p.clamp_(-limit, limit)


class TFAdam(FusedOptimizer):
    """p <- p - lr_t · m / (sqrt(v) + eps), with lr_t = lr · sqrt(1 - b2^t) / (1 - b1^t).

    PyTorch's corrects the bias of v before it adds eps, so its eps weighs less in early steps
    (Kingma and Ba 2015 give both forms; TF1 has the one "before section 2.1").

    Args:
        params: the parameters, all of which must have a gradient in a step.
        lr: step size.
        betas: b1 and b2, the decays of m and v.
        eps: added to the uncorrected root (TF1 default 1e-8).
    """

    kept = ("mean", "square")

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})
        values = self.blocks.values
        # float64: 1 - b2^t loses half of its digits in float32
        step = torch.zeros((), dtype=torch.float64, device=values.device)
        moments = {name: torch.zeros_like(values) for name in self.kept}
        self.state[self.first].update({"step": step, **moments})
        self._lay()

    @torch.no_grad()
    def update(self) -> None:
        """Update every parameter and count the step."""
        [group], step = self.param_groups, self.state[self.first]["step"]
        b1, b2 = group["betas"]
        step += 1  # on the device: a captured graph counts by itself
        rate = group["lr"] * (1 - b2**step).sqrt() / (1 - b1**step)
        for g, p, m, v, _ in self.blocks:
            self._adam(p, g, (m, v), rate.to(p.dtype), group["betas"], eps=group["eps"])
