"""One round of ZSCRGAN's expectation-maximisation, restructured without changing its mathematics.

The generator rests while the critic makes its five steps and during the whole M-step, so what it
imagines for them comes from one large forward pass each. Wrong pairs that are the rows before are
rolled: neither their latents nor their half of the critic's first layer are computed twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from zscr.train.methods import Rows
from zscr.train.methods.zscrgan.losses import (
    critic_loss,
    csem_loss,
    latent_divergence,
    regulariser,
)
from zscr.train.methods.zscrgan.networks import Networks
from zscr.train.methods.zscrgan.noise import draw_eps, draw_z, latent
from zscr.train.sampler import ClassSampler, Draws, State

if TYPE_CHECKING:
    from zscr.train.methods.zscrgan.reference import Config

M_CHUNK = 20  # CSEM updates whose features the CPU imagines in one pass; bounds the memory


class Round:
    """One E-step and one M-step over features that stay on the device.

    Shapes: S = 2 branches, right and wrong (1 without a wrong class); n batches of B rows.

    Args:
        config: settings of the mode.
        networks: the four networks, updated in place.
        optimizers: of `critic`, `generator` (with the text encoder) and `csem`.
        rows: all features of the seen classes.
        sampler: draws row numbers of the texts and images that are trained on.
    """

    def __init__(
        self,
        config: Config,
        networks: Networks,
        optimizers: Mapping[str, torch.optim.Optimizer],
        rows: Rows,
        sampler: ClassSampler,
    ) -> None:
        self.config, self.networks, self.optimizers = config, networks, optimizers
        self.rows, self.sampler = rows, sampler
        self.texts, self.images = _with_zeros(sampler.rows.texts), _with_zeros(rows.images)
        self.critic_steps = config.critic_steps if config.adversarial else 0
        self.m_steps = 0 if config.joint else config.m_steps
        self.sides = 1 if config.wrong_class == "none" else 2
        self.rolled = config.wrong_class == "previous"

    def run(self, sampling: State, noise: torch.Generator) -> dict[str, torch.Tensor]:
        """Make the round; return mean losses as scalars on the device."""
        draws_of_e = self.config.e_steps * (self.critic_steps + 1)
        draws = self.sampler.draw(draws_of_e + self.m_steps, sampling, noise)
        losses = self._e_step(draws[:draws_of_e], noise)
        if self.m_steps:
            losses["loss/csem"] = self._m_step(draws[draws_of_e:], noise)
        return losses

    def _e_step(self, draws: Draws, noise: torch.Generator) -> dict[str, torch.Tensor]:
        """Make the critic's and the generator's updates in turns."""
        turn, steps = self.critic_steps + 1, self.config.e_steps
        totals = torch.zeros(2, device=noise.device)  # critic, generator
        chunk = steps if noise.device.type == "cuda" else 1  # a GPU holds a whole round's noise
        for start in range(0, steps, chunk):
            eps, z = self._noise((chunk, self.critic_steps + self.sides), noise)
            for i in range(chunk):
                batch = draws[(start + i) * turn : (start + i + 1) * turn]
                totals += self._e_iteration(batch, eps[i], z[i])
        losses = {"loss/critic": totals[0] / (steps * self.critic_steps)} if turn > 1 else {}
        return losses | {"loss/generator": totals[1] / steps}

    def _e_iteration(self, draws: Draws, eps: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Make all critic updates and one generator update; return the sums of both losses (2,)."""
        k, total = self.critic_steps, torch.zeros((), device=eps.device)
        if k:
            with torch.no_grad():
                c, _, _ = self._latents(draws[:k], eps[None, :k])
                fakes = self.networks.generator(c, z[None, :k])[0]
            for step in range(k):
                total += self._critic_update(draws[step], fakes[step])
        loss = self._generator_loss(draws[k], eps[k:], z[k:])
        self._update(loss, *(("generator", "csem") if self.config.joint else ("generator",)))
        return torch.stack([total, loss.detach()])

    def _critic_update(self, draws: Draws, fake: torch.Tensor) -> torch.Tensor:
        """Move the critic once, then clip weights and biases: its first step runs unclipped."""
        critic, images = self.networks.critic, [fake, self.images[draws.images]]
        if self.sides == 2 and not self.rolled:
            images.append(self.images[draws.wrong_images])
        halves = critic.image(torch.cat(images)).unflatten(0, (len(images), -1))
        if self.rolled:
            halves = torch.cat([halves, halves[1:].roll(1, 1)])
        fake_score, real, *wrong = critic.judge(halves, critic.text(self.texts[draws.texts]))
        loss = critic_loss(real, fake_score, *wrong)
        self._update(loss, "critic")
        with torch.no_grad():
            limit = self.config.clip_val
            for parameter in critic.parameters():
                parameter.clamp_(-limit, limit)
        return loss.detach()

    def _generator_loss(self, draws: Draws, eps: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """-D(f, t) + Lc + 2 R + J, each of which an ablation may leave out."""
        config, networks = self.config, self.networks
        c, mu, log_sigma = self._latents(draws, eps)
        imagined = networks.generator(c, z)
        fake, real = imagined[0], self.images[draws.images]
        wrong = [self.images[draws.wrong_images]] if self.sides == 2 else []
        loss = config.kl_div_coefficient * latent_divergence(mu, log_sigma)
        loss = loss + config.mm_reg_coeff * regulariser(fake, real, *wrong)
        if config.adversarial:
            loss = loss - networks.critic(fake, self.texts[draws.texts]).mean()
        if config.triplet:
            loss = loss + csem_loss(c[0], *networks.csem(imagined))
        return loss

    def _m_step(self, draws: Draws, noise: torch.Generator) -> torch.Tensor:
        """Make CSEM's updates; it sees imagined features only, real ones come at test time."""
        total, steps = torch.zeros((), device=noise.device), self.m_steps
        chunk = steps if noise.device.type == "cuda" else M_CHUNK
        for start in range(0, steps, chunk):
            batches = draws[start : start + chunk]
            eps, z = self._noise((self.sides, len(batches.texts)), noise)
            with torch.no_grad():
                c, _, _ = self._latents(batches, eps)
                imagined = self.networks.generator(c, z)
            for step in range(len(batches.texts)):
                total += self._csem_update(c[0, step], imagined[:, step])
        return total / steps

    def _csem_update(self, c: torch.Tensor, imagined: torch.Tensor) -> torch.Tensor:
        """Move CSEM once by latents (B, E) and imagined features (S, B, I)."""
        loss = csem_loss(c, *self.networks.csem(imagined))
        self._update(loss, "csem")
        return loss.detach()

    def _update(self, loss: torch.Tensor, *names: str) -> None:
        """Move the parameters of some optimizers, and no others, down the loss."""
        optimizers = [self.optimizers[name] for name in names]
        parameters = [p for o in optimizers for group in o.param_groups for p in group["params"]]
        gradients = torch.autograd.grad(loss, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        for optimizer in optimizers:
            optimizer.step()

    def _latents(
        self, draws: Draws, eps: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return c, mu and log-sigma (S, …, B, E) of draws (…, B) for eps (S, …, B, E)."""
        branches = [self._encode(draws.texts)]
        if len(eps) == 2 and self.rolled:
            branches.append(tuple(part.roll(1, -2) for part in branches[0]))
        elif len(eps) == 2:
            branches.append(self._encode(draws.wrong_texts))
        mu, log_sigma = (torch.stack(parts) for parts in zip(*branches, strict=True))
        return latent(mu, log_sigma, eps), mu, log_sigma

    def _encode(self, index: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Encode texts by number; no text twice where there are fewer than were drawn."""
        encoder = self.networks.text_encoder
        if len(self.texts) > index.numel():
            return tuple(encoder(self.texts[index]))
        return tuple(part[index] for part in encoder(self.texts))

    def _noise(
        self, batches: tuple[int, int], noise: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw eps (…, B, E) and z (…, B, Z)."""
        config = self.config
        eps = draw_eps((*batches, config.batch_size, config.embed_dim), noise)
        return eps, draw_z((*batches, config.batch_size, config.z_dim), noise)


def _with_zeros(table: torch.Tensor) -> torch.Tensor:
    """Append a row of zeros, which is row -1."""
    return torch.cat([table, table.new_zeros(1, table.shape[1])])
