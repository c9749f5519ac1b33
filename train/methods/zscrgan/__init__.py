"""ZSCRGAN (Roy, Verma, Ghosh and Ghosh, CIKM 2020): text -> image by expectation-maximisation.

E-step: a text encoder and a GAN imagine the image feature of a text. M-step: the common-space
mapper (CSEM) learns to bring imagined features and texts together. The losses, optimisers and
turns are those of the released code; its padding bugs are flags that are off by default.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from zscr.train.methods import Batch, check_settings, figure_names
from zscr.train.methods.zscrgan.losses import (
    critic_loss,
    csem_loss,
    latent_divergence,
    regulariser,
)
from zscr.train.methods.zscrgan.networks import Critic, Csem, Generator, TextEncoder, initialise
from zscr.train.rmsprop import TFRMSprop

__all__ = ["Config", "Method"]

EPS_LIMIT = 2.0  # eps is a normal truncated at two standard deviations


@dataclass(frozen=True)
class Config:
    """ZSCRGAN's settings; the defaults are the published ones unless the comment says otherwise."""

    batch_size: int = 32
    gf_dim: int = 2048  # width of the generator's first layer; its second is twice as wide
    df_dim: int = 1024  # width of the critic
    embed_dim: int = 1024  # dimension of mu, of log-sigma and of the embedding
    z_dim: int = 256  # noise of the generator
    csem_lr: float = 2e-3
    generator_lr: float = 2e-4
    discriminator_lr: float = 2e-4
    kl_div_coefficient: float = 1.0
    mm_reg_coeff: float = 2.0  # multiplies the regulariser; it is no margin
    clip_val: float = 0.01  # critic weights and biases stay within ± this
    e_steps: int = 100  # generator updates in a round's E-step
    critic_steps: int = 5  # critic updates before each generator update
    m_steps: int = 100  # CSEM updates in a round's M-step
    rounds: int = 600  # not published: there is no stopping rule; the curve peaks near 550
    class_texts: str = "first"  # "first": a class's first text only, as released; or "all"
    zero_pad_tail: bool = False  # released bug: train on zero rows where a pass runs out of classes
    allow_same_class_wrong: bool = False  # released bug: the wrong pair may be of the right class
    validate_every: int = 10  # rounds between looks at the validation classes
    select_by: str = "mAP"  # the figure on validation classes that the best weights maximise
    seed: int = 7

    def __post_init__(self) -> None:
        check_settings(self, {"class_texts": ("first", "all"), "select_by": figure_names()})


class Method(nn.Module):
    """The trainable model. See `zscr.train.methods.Method` for the contract."""

    def __init__(
        self,
        config: Config,
        *,
        text_dim: int,
        image_dim: int,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.config = config
        self.text_encoder = TextEncoder(text_dim, config.embed_dim)
        self.generator = Generator(config.embed_dim, config.z_dim, config.gf_dim, image_dim)
        self.csem = Csem(image_dim, config.embed_dim)
        self.critic = Critic(image_dim, text_dim, config.df_dim)
        initialise(self, torch.Generator().manual_seed(config.seed))
        self.steps_per_round = config.e_steps * (config.critic_steps + 1) + config.m_steps
        self.to(device)
        self.noise = torch.Generator(device).manual_seed(config.seed)
        self.average_noise(0)
        imagined = [*self.text_encoder.parameters(), *self.generator.parameters()]
        betas = (0.5, 0.999)
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "critic": TFRMSprop(self.critic.parameters(), config.discriminator_lr),
            "generator": TFRMSprop(imagined, config.generator_lr),
            "csem": torch.optim.Adam(self.csem.parameters(), config.csem_lr, betas),
        }

    def turn(self, step: int) -> str:
        """Say whose turn a step is: five times the critic, once the generator, …, then CSEM."""
        config, position = self.config, step % self.steps_per_round
        if position >= config.e_steps * (config.critic_steps + 1):
            return "csem"
        last = position % (config.critic_steps + 1) == config.critic_steps
        return "generator" if last else "critic"

    def train_step(self, batch: Batch, step: int) -> dict[str, torch.Tensor]:
        """Make one update: the E-step's critic or generator, or the M-step's CSEM."""
        turn = self.turn(step)
        optimizer = self.optimizers[turn]
        learned = [p for group in optimizer.param_groups for p in group["params"]]
        update = {"critic": self._critic, "generator": self._generator, "csem": self._csem}[turn]
        loss = update(batch)
        optimizer.zero_grad()
        loss.backward(inputs=learned)  # type: ignore[no-untyped-call]
        optimizer.step()
        if turn == "critic":  # after the step and on biases too, so the first step is unclipped
            limit = self.config.clip_val
            with torch.no_grad():
                torch._foreach_clamp_min_(learned, -limit)
                torch._foreach_clamp_max_(learned, limit)
        return {f"loss/{turn}": loss.detach()}

    def _critic(self, batch: Batch) -> torch.Tensor:
        with torch.no_grad():
            fake, _ = self._imagine(batch.text)
        text = batch.text
        real, wrong = self.critic(batch.image, text), self.critic(batch.wrong_image, text)
        return critic_loss(real, self.critic(fake, text), wrong)

    def _generator(self, batch: Batch) -> torch.Tensor:
        config = self.config
        mu, log_sigma = self.text_encoder(batch.text)
        latent = self._sample(mu, log_sigma)
        fake = self.generator(latent, self._normal(latent, config.z_dim))
        wrong_mu, wrong_log_sigma = self.text_encoder(batch.wrong_text)
        wrong_latent = self._sample(wrong_mu, wrong_log_sigma)
        wrong = self.generator(wrong_latent, self._normal(wrong_latent, config.z_dim))
        divergence = latent_divergence(mu, log_sigma)
        divergence = (divergence + latent_divergence(wrong_mu, wrong_log_sigma)) / 2
        loss: torch.Tensor = (
            -self.critic(fake, batch.text).mean()
            + csem_loss(latent, self.csem(fake), self.csem(wrong))
            + config.mm_reg_coeff * regulariser(fake, batch.image, batch.wrong_image)
            + config.kl_div_coefficient * divergence
        )
        return loss

    def _csem(self, batch: Batch) -> torch.Tensor:
        with torch.no_grad():  # CSEM sees imagined features only; real ones come at test time
            fake, latent = self._imagine(batch.text)
            wrong, _ = self._imagine(batch.wrong_text)
        return csem_loss(latent, self.csem(fake), self.csem(wrong))

    def _imagine(self, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw a latent (B, E) and the image feature (B, I) imagined from it."""
        latent = self._sample(*self.text_encoder(text))
        return self.generator(latent, self._normal(latent, self.config.z_dim)), latent

    def _sample(self, mu: torch.Tensor, log_sigma: torch.Tensor) -> torch.Tensor:
        eps = torch.empty_like(mu)
        nn.init.trunc_normal_(eps, a=-EPS_LIMIT, b=EPS_LIMIT, generator=self.noise)
        return mu + log_sigma.exp() * eps

    def _normal(self, like: torch.Tensor, width: int) -> torch.Tensor:
        size = (len(like), width)
        return torch.randn(size, generator=self.noise, device=like.device, dtype=like.dtype)

    def average_noise(self, samples: int) -> None:
        """Let queries average K fixed draws of eps and z; 0 means the mean, eps = 0 and z = 0."""
        fixed = torch.Generator().manual_seed(0)
        eps = torch.empty(samples, self.config.embed_dim)
        if samples:
            nn.init.trunc_normal_(eps, a=-EPS_LIMIT, b=EPS_LIMIT, generator=fixed)
        z = torch.randn(samples, self.config.z_dim, generator=fixed)
        device = self.csem.fc.weight.device
        self.register_buffer("fixed_eps", eps.to(device), persistent=False)
        self.register_buffer("fixed_z", z.to(device), persistent=False)

    def encode_query(self, text: torch.Tensor) -> torch.Tensor:
        """Embed texts (B, T) -> unit rows (B, E) of CSEM on the imagined features."""
        mu, log_sigma = self.text_encoder(text)
        eps, z = self.get_buffer("fixed_eps"), self.get_buffer("fixed_z")
        if len(eps) == 0:
            silent = torch.zeros_like(mu[:, :1]).expand(-1, self.config.z_dim)
            return _unit(self.csem(self.generator(mu, silent)))
        rows = mu.shape[0]  # and not len(mu), which a trace would take for a constant
        draws = [
            _unit(self.csem(self.generator(mu + log_sigma.exp() * e, n.expand(rows, -1))))
            for e, n in zip(eps, z, strict=True)
        ]
        return _unit(torch.stack(draws).mean(0))

    def encode_gallery(self, image: torch.Tensor) -> torch.Tensor:
        """Embed image features (B, I) -> unit rows (B, E)."""
        return _unit(self.csem(image))


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return functional.normalize(rows, dim=1, eps=1e-12)
