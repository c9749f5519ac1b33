"""One round of ZSCRGAN's expectation-maximisation, restructured without changing its mathematics.

The generator rests while the critic makes its five steps and during the whole M-step, so what it
imagines for them comes from one large forward pass each. Wrong pairs that are the rows before are
rolled: neither their latents nor their half of the critic's first layer are computed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch

from zscr.train.gradients import LinearTaps, differentiate
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
        self.taps = {
            "critic": LinearTaps(networks.critic),
            "generator": LinearTaps(networks.text_encoder, networks.generator),
            "csem": LinearTaps(networks.csem),
        }
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
        moved = ("generator", "csem") if self.config.joint else ("generator",)
        loss = self._update(lambda: self._generator_loss(draws[k], eps[k:], z[k:]), *moved)
        return torch.stack([total, loss])

    def _critic_update(self, draws: Draws, fake: torch.Tensor) -> torch.Tensor:
        """Move the critic once, then clip weights and biases: its first step runs unclipped."""
        critic, images = self.networks.critic, [fake, self.images[draws.images]]
        if self.sides == 2 and not self.rolled:
            images.append(self.images[draws.wrong_images])

        def loss_of() -> torch.Tensor:
            halves = critic.image(torch.stack(images))
            if self.rolled:
                halves = torch.cat([halves, halves[1:].roll(1, 1)])
            fake_score, real, *wrong = critic.judge(halves, critic.text(self.texts[draws.texts]))
            return critic_loss(real, fake_score, *wrong)

        loss = self._update(loss_of, "critic")
        with torch.no_grad():
            limit = self.config.clip_val
            for parameter in critic.parameters():
                parameter.clamp_(-limit, limit)
        return loss

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
        return self._update(lambda: csem_loss(c, *self.networks.csem(imagined)), "csem")

    def _update(self, loss_of: Callable[[], torch.Tensor], *names: str) -> torch.Tensor:
        """Move the parameters of some optimizers, and no others, down a loss; return it."""
        loss = differentiate(loss_of, *(self.taps[name] for name in names))
        for name in names:
            self.optimizers[name].step()
        return loss

    def _latents(
        self, draws: Draws, eps: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return c, mu and log-sigma (S, …, B, E) of draws (…, B) for eps (S, …, B, E)."""
        drawn = [draws.texts] if len(eps) == 1 or self.rolled else [draws.texts, draws.wrong_texts]
        mu, log_sigma = self._encode(torch.stack(drawn))
        if len(eps) > len(mu):
            mu, log_sigma = (torch.cat([part, part.roll(1, -2)]) for part in (mu, log_sigma))
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
