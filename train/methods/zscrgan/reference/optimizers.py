"""RMSProp and Adam as TensorFlow 1 computes them, which torch's own cannot be set to do.

Both can be brought to the formula of torch's fused Adam, which reads and writes everything once;
README.md derives how.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from zscr.train.methods.zscrgan.networks import Networks
from zscr.train.methods.zscrgan.reference.blocks import BLOCK, PRODUCT
from zscr.train.methods.zscrgan.reference.config import Config
from zscr.train.methods.zscrgan.reference.fused import FusedOptimizer


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
        block, product: sizes of the blocks, see `Blocks`.
    """

    kept = ("square_and_eps",)

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        decay: float = 0.9,
        eps: float = 1e-10,
        limit: float = math.inf,
        *,
        block: int = BLOCK,
        product: int = PRODUCT,
    ) -> None:
        settings = {"lr": lr, "decay": decay, "eps": eps, "limit": limit}
        super().__init__(params, settings, block, product)
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
        block, product: sizes of the blocks, see `Blocks`.
    """

    kept = ("mean", "square")

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        block: int = BLOCK,
        product: int = PRODUCT,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps}, block, product)
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
            # On CUDA the kernel takes a rate in float32 alone, whatever it updates.
            dtype = torch.float32 if p.is_cuda else p.dtype
            self._adam(p, g, (m, v), rate.to(dtype), group["betas"], eps=group["eps"])


@dataclass(frozen=True)
class Optimizers:
    """The three of a model: the generator's has the text encoder, too."""

    critic: TFRMSprop
    generator: TFRMSprop
    csem: TFAdam

    @classmethod
    def of(cls, config: Config, networks: Networks, *, block: int = BLOCK) -> Optimizers:
        """Make the released ones, at the rates of a configuration."""
        imagine = [*networks.text_encoder.parameters(), *networks.generator.parameters()]
        judge, map_images = networks.critic.parameters(), networks.csem.parameters()
        rate, limit = config.discriminator_lr, config.clip_val
        return cls(
            critic=TFRMSprop(judge, rate, limit=limit, block=block),
            generator=TFRMSprop(imagine, config.generator_lr, block=block),
            csem=TFAdam(map_images, config.csem_lr, (0.5, 0.999), block=block),
        )
