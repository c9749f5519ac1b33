"""RMSProp and Adam as TensorFlow 1 computes them, which torch's own cannot be set to do.

Both can be brought to the formula of torch's fused Adam, which reads and writes everything once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch

from zscr.train.blocks import Blocks

SETTLED = 1e6  # a step at which Adam no longer corrects the bias of its moments


class TFRMSprop(torch.optim.Optimizer):
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
        self.blocks, self.first = Blocks(group["params"]), group["params"][0]
        values = self.blocks.values
        self.settled = torch.tensor(SETTLED, device=values.device)
        self.fresh = values.new_tensor(eps * (1 - decay) / decay)
        self.state[self.first]["square_and_eps"] = torch.full_like(values, 1 + eps / decay)
        _lay(self)
        self.register_load_state_dict_post_hook(_lay)

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter; a closure is not supported."""
        assert closure is None
        self.update()

    @torch.no_grad()
    def update(self) -> None:
        """Update every parameter, without torch's hooks around a step (a fifth of a small one)."""
        [group] = self.param_groups
        decay, limit = group["decay"], group["limit"]
        for g, p, u, scratch in self.blocks:
            _adam(p, g, scratch, u, self.settled, group["lr"], (0.0, decay), eps=0.0)
            u.add_(self.fresh)  # for the next update, while it is in the cache
            if limit < math.inf:
                p.clamp_(-limit, limit)


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
        self.blocks, self.first = Blocks(group["params"]), group["params"][0]
        values = self.blocks.values
        self.settled = torch.tensor(SETTLED, device=values.device)
        # float64: 1 - b2^t loses half of its digits in float32
        step = torch.zeros((), dtype=torch.float64, device=values.device)
        state = {"step": step, "mean": torch.zeros_like(values)}
        state["square"] = torch.zeros_like(values)
        self.state[self.first].update(state)
        _lay(self)
        self.register_load_state_dict_post_hook(_lay)

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter; a closure is not supported."""
        assert closure is None
        self.update()

    @torch.no_grad()
    def update(self) -> None:
        """Update every parameter, without torch's hooks around a step."""
        [group], step = self.param_groups, self.state[self.first]["step"]
        b1, b2 = group["betas"]
        step += 1  # on the device: a captured graph counts by itself
        rate = group["lr"] * (1 - b2**step).sqrt() / (1 - b1**step)
        for g, p, m, v, _ in self.blocks:
            _adam(p, g, m, v, self.settled, rate.to(p.dtype), group["betas"], eps=group["eps"])


def _lay(optimizer: Any) -> None:
    """Let the blocks be of the optimizer's states, which loading replaces."""
    states = optimizer.state[optimizer.first].values()
    optimizer.blocks.lay(*(state for state in states if state.ndim))


def _adam(
    p: torch.Tensor,
    g: torch.Tensor,
    m: torch.Tensor,
    v: torch.Tensor,
    step: torch.Tensor,
    rate: float | torch.Tensor,
    betas: tuple[float, float],
    *,
    eps: float,
) -> None:
    """m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g²; p <- p - rate · m / (sqrt(v) + eps)."""
    torch._fused_adam_(
        [p],
        [g],
        [m],
        [v],
        [],
        [step],
        lr=rate,
        beta1=betas[0],
        beta2=betas[1],
        weight_decay=0.0,
        eps=eps,
        amsgrad=False,
        maximize=False,
    )
