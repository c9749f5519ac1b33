"""The E-step of `zscrgan`: critic, text encoder and generator, by batches of different classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from zscr.train.methods.losses import info_nce
from zscr.train.methods.zscrgan.draws import Draws
from zscr.train.methods.zscrgan.improved.config import Config
from zscr.train.methods.zscrgan.improved.imagination import Imagination
from zscr.train.methods.zscrgan.improved.losses import gradient_penalty
from zscr.train.methods.zscrgan.losses import critic_loss
from zscr.train.methods.zscrgan.networks import Critic
from zscr.train.methods.zscrgan.noise import draw_latents, draw_z
from zscr.train.tables import TensorSplit

GRADIENT_PENALTY = 10.0  # Gulrajani et al. 2017


@dataclass(frozen=True)
class EStep:
    """Moves the critic and the imagination, and averages the imagination's weights.

    Attributes:
        config: the settings.
        imagination: text encoder and generator, trained here.
        averaged: their exponential moving average, kept here.
        critic: trained here; judges scaled images beside the means of latents.
        csem: maps scaled images (B, I) -> (B, E); gradients pass through it, it does not move.
        optimizers: `critic` and `generator`.
        noise: of every draw.
    """

    config: Config
    imagination: Imagination
    averaged: Imagination
    critic: Critic
    csem: nn.Module
    optimizers: dict[str, torch.optim.Optimizer]
    noise: torch.Generator

    def run(self, scaled: TensorSplit, draws: Draws) -> dict[str, torch.Tensor]:
        """Make `critic_steps` critic updates and one generator update, again and again.

        Args:
            scaled: tables `image` and `text`, scaled.
            draws: row numbers of as many batches as there are updates, each of different classes.

        Returns:
            The mean losses before the updates, scalars on the device.
        """
        texts, images = scaled["text"].rows, scaled["image"].rows
        k, totals = self.config.critic_steps, torch.zeros(2, device=self.noise.device)
        for start in range(0, len(draws.texts), k + 1):
            critic = []
            for one in (draws[start + i] for i in range(k)):
                batch = texts[one.texts], images[one.images], images[one.wrong_images]
                critic.append(self.update_critic(*batch))
            last = draws[start + k]
            generator = self.update_generator(texts[last.texts], images[last.images])
            totals += torch.stack([torch.stack(critic).mean(), generator])
        critic_mean, generator_mean = totals / (len(draws.texts) // (k + 1))
        return {"loss/critic": critic_mean, "loss/generator": generator_mean}

    def update_critic(
        self, texts: torch.Tensor, real: torch.Tensor, wrong: torch.Tensor
    ) -> torch.Tensor:
        """Move the critic once; a penalty holds its slope near 1, no weights are clipped.

        Args:
            texts: (B, E) scaled.
            real: (B, I) scaled images of the texts' classes; wrong: of other classes.

        Returns:
            The loss before the update.
        """
        with torch.no_grad():
            means = self.imagination.encode(texts)
            fake = self._imagine(self._latents(means))
        share = torch.rand(len(real), 1, generator=self.noise, device=real.device)
        of_wrong = self.critic(wrong, means)
        loss = critic_loss(self.critic(real, means), self.critic(fake, means), of_wrong)
        penalty = gradient_penalty(self.critic, real, fake, means, share)
        return self._update("critic", self.critic, loss + GRADIENT_PENALTY * penalty)

    def update_generator(self, texts: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Move text encoder and generator once, and the averages after them.

        Args:
            texts: (B, E) scaled, of B classes; real: (B, I) scaled images of the same classes.

        Returns:
            The loss before the update: two contrasts of latents, with CSEM of the imagined and of
            the real images; the distance of these images; less the critic's score of the imagined
            ones; and the squared correction of the text encoder.
        """
        config = self.config
        means = self.imagination.encode(texts)
        latents = self._latents(means)
        fake = self._imagine(latents)
        loss = info_nce(latents, self.csem(fake), config.contrast)
        loss = loss + info_nce(latents, self.csem(real), config.contrast)
        loss = loss + config.reconstruction * (fake - real).abs().mean()
        loss = loss - config.adversarial * self.critic(fake, means).mean()
        correction = self.imagination.correction.weight.square().sum()
        loss = loss + config.correction_decay * correction
        done = self._update("generator", self.imagination, loss)
        self._average()
        return done

    def _update(self, name: str, module: nn.Module, loss: torch.Tensor) -> torch.Tensor:
        """Step down a loss's gradient towards a module's parameters, and no others."""
        parameters = list(module.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimizers[name].step()
        return loss.detach()

    @torch.no_grad()
    def _average(self) -> None:
        """Keep `ema` of each averaged weight, and take the rest from the current one."""
        averaged: list[torch.Tensor] = list(self.averaged.parameters())
        current: list[torch.Tensor] = list(self.imagination.parameters())
        torch._foreach_lerp_(averaged, current, 1 - self.config.ema)

    def _latents(self, means: torch.Tensor) -> torch.Tensor:
        """Draw latents (B, E) around their means."""
        return draw_latents(means, self.config.latent_noise, self.noise)

    def _imagine(self, latents: torch.Tensor) -> torch.Tensor:
        """Imagine scaled images (B, I) of latents, by noise of their own."""
        z = draw_z((len(latents), self.config.z_dim), self.noise)
        return self.imagination.imagine(latents, z)
