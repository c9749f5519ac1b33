"""ZSCRGAN improved: honest selection, and an EM procedure made for about a hundred classes.

E-step: text encoder and GAN, by per-sample losses over batches of different classes. M-step: the
common-space mapper (CSEM), solved exactly on real images and on what the generator imagines for
the seen classes' texts and for texts between them. All that is chosen is chosen on validation
classes; docs/experiments.md tells what was tried.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn

from zscr.progress import say
from zscr.train.methods import Rows, check_settings, figure_names
from zscr.train.methods.zscrgan.embedding import QueryNoise, unit
from zscr.train.methods.zscrgan.improved.choice import PENALTIES, SHRINKS, choose
from zscr.train.methods.zscrgan.improved.imagination import Imagination
from zscr.train.methods.zscrgan.improved.kernel import KernelCsem, Sums
from zscr.train.methods.zscrgan.improved.sample_losses import contrastive_loss, gradient_penalty
from zscr.train.methods.zscrgan.improved.scaling import (
    ImageScaling,
    TextScaling,
    class_means,
    class_of_rows,
    class_sums,
)
from zscr.train.methods.zscrgan.losses import critic_loss
from zscr.train.methods.zscrgan.networks import Critic, initialise
from zscr.train.methods.zscrgan.noise import draw_eps, draw_z
from zscr.train.methods.zscrgan.sampler import ClassSampler, Draws
from zscr.train.precision import PRECISIONS, computing_in

__all__ = ["Config", "Method"]

GRADIENT_PENALTY = 10.0  # Gulrajani et al. 2017
PROTOTYPE_PENALTY = 1.0  # of the generator's ridge start; texts have length 1


@dataclass(frozen=True)
class Config:
    """The settings; the defaults were chosen on validation classes (docs/experiments.md)."""

    batch_size: int = 32  # different classes a batch: each is a negative of all others
    gf_dim: int = 256  # width of the generator's hidden layer
    df_dim: int = 256  # width of the critic
    embed_dim: int = 512  # at most; the latent has no more axes than the texts
    z_dim: int = 64  # noise of the generator
    generator_lr: float = 2e-4
    discriminator_lr: float = 2e-4
    e_steps: int = 30  # generator updates in a round's E-step
    critic_steps: int = 3  # critic updates before each generator update
    rounds: int = 6
    text_shrink: float = 0.0  # of the texts' whitening; 0 chooses on the validation classes
    csem_penalty: float = 0.0  # of CSEM, an image; 0 chooses on the validation classes
    csem_width: float = 1.0  # of CSEM's kernel; scaled images have length 1
    landmarks: int = 512  # of CSEM's kernel, drawn among the seen images
    latent_noise: float = 0.05  # deviation of a latent around its mean
    adversarial: float = 0.1  # weight of the critic in the generator's loss
    reconstruction: float = 10.0  # weight of |imagined - real|, mean over dimensions
    contrast: float = 10.0  # inverse temperature of the contrastive losses
    correction_decay: float = 1.0  # pulls the text encoder to where it began
    ema: float = 0.98  # decay of the averaged weights, which imagine for CSEM and for queries
    imagined: int = 2048  # imagined images in an M-step
    imagined_share: float = 0.3  # their weight beside the real ones
    mixing: float = 0.5  # an imagined latent is up to this share of a second class
    query_imagined: float = 0.25  # share of CSEM(imagined image) in a query; the rest is its latent
    validate_every: int = 1
    select_by: str = "mAP"  # the figure on validation classes that the best weights maximise
    precision: str = "fp32"  # of matrix products on a GPU: fp32, tf32 or bf16
    seed: int = 7

    def __post_init__(self) -> None:
        check_settings(self, {"select_by": figure_names(), "precision": PRECISIONS})


class Method(nn.Module):
    """The trainable model. See `zscr.train.methods.Method` for the contract."""

    penalty: torch.Tensor

    def __init__(
        self,
        config: Config,
        *,
        text_dim: int,
        image_dim: int,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.config, dim = config, min(config.embed_dim, text_dim)
        self.image_scaling, self.text_scaling = ImageScaling(image_dim), TextScaling(text_dim, dim)
        self.imagination = Imagination(dim, config.z_dim, config.gf_dim, image_dim)
        self.csem = KernelCsem(config.landmarks, image_dim, dim, config.csem_width)
        self.critic = Critic(image_dim, dim, config.df_dim)
        self.register_buffer("penalty", torch.zeros(()))
        weights = torch.Generator().manual_seed(config.seed)
        initialise(self.critic, weights)
        self.imagination.initialise(weights)
        self.averaged = copy.deepcopy(self.imagination).requires_grad_(False)
        self.query_noise = QueryNoise(dim, config.z_dim)
        self.to(device)
        self.noise = torch.Generator(device).manual_seed(config.seed)
        self.sampling: dict[str, torch.Tensor] = {}
        self._scaled: tuple[ClassSampler, Sums] | None = None
        rates = {"critic": config.discriminator_lr, "generator": config.generator_lr}
        learned = {"critic": self.critic, "generator": self.imagination}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam(learned[name].parameters(), rate, (0.5, 0.9), fused=True)
            for name, rate in rates.items()
        }

    @torch.no_grad()
    def start(self, rows: Rows, val: Rows) -> None:
        """Fit what has a closed form: scalings, choices, prototypes, and CSEM on real images."""
        config = self.config
        self.sampling = ClassSampler(rows, config.batch_size).start()
        self.image_scaling.fit(rows.images)
        self.csem.place(self.image_scaling(rows.images), self.noise)
        shrinks = (config.text_shrink,) if config.text_shrink else SHRINKS
        penalties = (config.csem_penalty,) if config.csem_penalty else PENALTIES
        parts = (self.image_scaling, self.text_scaling, self.csem)
        best = choose(rows, val, *parts, shrinks, penalties)
        say(
            f"validation classes chose text_shrink={best.shrink:g}, csem_penalty={best.penalty:g} "
            f"(mAP {best.mean_ap:.3f} before round 1)"
        )
        self.penalty.fill_(best.penalty * len(rows.images))
        scaled = self._scale(rows)[0].rows
        owners = class_of_rows(scaled.text_starts, len(scaled.texts))
        prototypes = class_means(scaled.images, scaled.image_starts)[owners]
        self.imagination.start(scaled.texts, prototypes, PROTOTYPE_PENALTY)
        self.averaged.load_state_dict(self.imagination.state_dict())
        self._m_step(rows, imagined=0)

    def train_round(self, rows: Rows) -> dict[str, torch.Tensor]:
        """Make an E-step of `e_steps` times (critic updates, generator update), and an M-step."""
        losses = self._e_step(rows)
        with torch.no_grad():
            return losses | {"loss/csem": self._m_step(rows, self.config.imagined)}

    def _e_step(self, rows: Rows) -> dict[str, torch.Tensor]:
        config, (sampler, _) = self.config, self._scale(rows)
        scaled = sampler.rows
        turn, totals = config.critic_steps + 1, torch.zeros(2, device=self.noise.device)
        draws = sampler.draw(config.e_steps * turn, self.sampling, self.noise)
        for start in range(0, config.e_steps * turn, turn):
            critic = [self._critic_step(scaled, draws[start + i]) for i in range(turn - 1)]
            generator = self._generator_step(scaled, draws[start + turn - 1])
            totals += torch.stack([torch.stack(critic).mean(), generator])
        critic_mean, generator_mean = totals / config.e_steps
        return {"loss/critic": critic_mean, "loss/generator": generator_mean}

    def _critic_step(self, rows: Rows, draws: Draws) -> torch.Tensor:
        """Move the critic once; its slope is held near 1 by a penalty, not by clipping."""
        real = rows.images[draws.images]
        with torch.no_grad():
            means = self.imagination.encode(rows.texts[draws.texts])
            fake = self._imagine(self.imagination, means)
        share = torch.rand(len(real), 1, generator=self.noise, device=real.device)
        wrong = self.critic(rows.images[draws.wrong_images], means)
        loss = critic_loss(self.critic(real, means), self.critic(fake, means), wrong)
        penalty = gradient_penalty(self.critic, real, fake, means, share)
        return self._update("critic", self.critic, loss + GRADIENT_PENALTY * penalty)

    def _generator_step(self, rows: Rows, draws: Draws) -> torch.Tensor:
        """Move text encoder and generator once, towards real images and through CSEM to texts."""
        config, real = self.config, rows.images[draws.images]
        means = self.imagination.encode(rows.texts[draws.texts])
        latents = self._latents(means)
        fake = self.imagination.imagine(latents, self._z(latents))
        loss = contrastive_loss(latents, self.csem(fake), config.contrast)
        loss = loss + contrastive_loss(latents, self.csem(real), config.contrast)
        loss = loss + config.reconstruction * (fake - real).abs().mean()
        loss = loss - config.adversarial * self.critic(fake, means).mean()
        correction = self.imagination.correction.weight.square().sum()
        loss = loss + config.correction_decay * correction
        done = self._update("generator", self.imagination, loss)
        with torch.no_grad():
            averaged: list[torch.Tensor] = list(self.averaged.parameters())
            current: list[torch.Tensor] = list(self.imagination.parameters())
            torch._foreach_lerp_(averaged, current, 1 - config.ema)
        return done

    def _update(self, name: str, module: nn.Module, loss: torch.Tensor) -> torch.Tensor:
        parameters = list(module.parameters())
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters), strict=True
        ):
            parameter.grad = gradient
        self.optimizers[name].step()
        return loss.detach()

    def _m_step(self, rows: Rows, imagined: int) -> torch.Tensor:
        """Solve CSEM for the averaged text encoder's latents; return its mean squared residual."""
        config, (sampler, real) = self.config, self._scale(rows)
        scaled = sampler.rows
        latents = class_means(self.averaged.encode(scaled.texts), scaled.text_starts)
        sums = Sums(real.gram, real.cross @ latents)
        squares = (scaled.image_starts.diff() * latents.square().sum(1)).sum()
        total = sums
        if imagined:
            weight = config.imagined_share * len(scaled.images) / imagined
            total = total + self._imagined_sums(latents, imagined, weight)
        self.csem.weights.copy_(self.csem.solve(total, self.penalty))
        w = self.csem.weights
        residual = (w * (sums.gram @ w)).sum() - 2 * (w * sums.cross).sum() + squares
        return residual / len(scaled.images)

    def _imagined_sums(self, latents: torch.Tensor, count: int, weight: float) -> Sums:
        """Imagine images of seen classes and of mixtures of two: classes that nobody has seen."""
        device = latents.device
        pairs = torch.randint(len(latents), (2, count), generator=self.noise, device=device)
        share = self.config.mixing * torch.rand(count, 1, generator=self.noise, device=device)
        mixed = unit((1 - share) * latents[pairs[0]] + share * latents[pairs[1]])
        mixed = mixed * latents.norm(dim=1).mean()
        kernels = self.csem.kernel(self._imagine(self.averaged, mixed))
        return Sums(weight * kernels.T @ kernels, weight * kernels.T @ mixed)

    def _scale(self, rows: Rows) -> tuple[ClassSampler, Sums]:
        """Scale the rows to draw from, and add up CSEM's sums over them with a column a class.

        Once, and in float32 whatever the rounds compute in, for a resumed run begins in a round.
        """
        if self._scaled is None or self._scaled[0].rows.image_starts is not rows.image_starts:
            with torch.no_grad(), computing_in("fp32", rows.images.device):
                images, texts = self.image_scaling(rows.images), self.text_scaling(rows.texts)
                scaled = Rows(images, texts, rows.image_starts, rows.text_starts)
                kernels = self.csem.kernel(images)
                sums = Sums(kernels.T @ kernels, class_sums(kernels, rows.image_starts).T)
                self._scaled = ClassSampler(scaled, self.config.batch_size), sums
        return self._scaled

    def _latents(self, means: torch.Tensor) -> torch.Tensor:
        return means + self.config.latent_noise * draw_eps(means.shape, self.noise)

    def _z(self, latents: torch.Tensor) -> torch.Tensor:
        return draw_z((len(latents), self.config.z_dim), self.noise)

    def _imagine(self, imagination: Imagination, means: torch.Tensor) -> torch.Tensor:
        return imagination.imagine(self._latents(means), self._z(means))

    def average_noise(self, samples: int) -> None:
        """Let queries average K fixed draws of eps and z; 0 means the mean, eps = 0 and z = 0."""
        self.query_noise.draw(samples)

    def encode_query(self, text: torch.Tensor) -> torch.Tensor:
        """Embed texts (B, T) -> unit rows (B, E): the latent, and CSEM of what it lets imagine."""
        means, noise = self.averaged.encode(self.text_scaling(text)), self.query_noise
        if len(noise.eps) == 0:
            silent = torch.zeros_like(means[:, :1]).expand(-1, self.config.z_dim)
            found = unit(self.csem(self.averaged.imagine(means, silent)))
        else:
            rows, deviation = means.shape[0], self.config.latent_noise
            draws = [
                unit(self.csem(self.averaged.imagine(means + deviation * e, z.expand(rows, -1))))
                for e, z in zip(noise.eps, noise.z, strict=True)
            ]
            found = unit(torch.stack(draws).mean(0))
        share = self.config.query_imagined
        return unit((1 - share) * unit(means) + share * found)

    def encode_gallery(self, image: torch.Tensor) -> torch.Tensor:
        """Embed image features (B, I) -> unit rows (B, E)."""
        return unit(self.csem(self.image_scaling(image)))
