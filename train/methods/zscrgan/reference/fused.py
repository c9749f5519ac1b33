"""What both fused optimizers have in common: blocks, states beside them, and one call a block."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from zscr.train.methods.zscrgan.reference.blocks import BLOCK, PRODUCT, Blocks

SETTLED = 1e6  # a step at which Adam no longer corrects the bias of its moments


class FusedOptimizer(torch.optim.Optimizer):
    """Updates parameters in blocks by torch's fused Adam, which reads and writes everything once.

    Args:
        params: the parameters, all of which must have a gradient in a step.
        defaults: the settings.
        block, product: sizes of the blocks, see `Blocks`.

    Attributes:
        blocks: where parameters, gradients and states lie.
        first: the parameter under which the states of all are kept.
    """

    kept: tuple[str, ...]  # names of the states (P,), in the order in which blocks give them

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        defaults: dict[str, Any],
        block: int = BLOCK,
        product: int = PRODUCT,
    ) -> None:
        super().__init__(params, defaults)
        [group] = self.param_groups
        self.blocks, self.first = Blocks(group["params"], block, product), group["params"][0]
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
