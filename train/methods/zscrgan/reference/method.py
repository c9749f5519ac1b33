"""ZSCRGAN as its released code computes it, bugs included, and the ablations of its paper.

Each bug is a flag that is on by default; an honest comparison turns it off. What the released
code does and the flags do not change: its losses, optimisers, turns and order of the classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from zscr.errors import ConfigError
from zscr.train.methods import Rows, check_settings, figure_names
from zscr.train.methods.zscrgan.embedding import QueryNoise, embed_query, unit
from zscr.train.methods.zscrgan.networks import (
    Critic,
    Csem,
    Generator,
    Networks,
    TextEncoder,
    initialise,
)
from zscr.train.methods.zscrgan.reference.em import Round
from zscr.train.methods.zscrgan.reference.optimizers import TFAdam, TFRMSprop
from zscr.train.methods.zscrgan.sampler import WRONG, ClassSampler, first_texts
from zscr.train.precision import PRECISIONS

__all__ = ["Config", "Method"]


@dataclass(frozen=True)
class Config:
    """The settings; the defaults are the released ones unless the comment says otherwise."""

    batch_size: int = 32
    gf_dim: int = 2048  # width of the generator's first layer; its second is twice as wide
    df_dim: int = 1024  # width of the critic
    embed_dim: int = 1024  # dimension of mu, of log-sigma and of the embedding
    z_dim: int = 256  # noise of the generator
    csem_lr: float = 2e-3
    generator_lr: float = 2e-4
    discriminator_lr: float = 2e-4
    kl_div_coefficient: float = 1.0
    mm_reg_coeff: float = 2.0  # multiplies the regulariser, it is no margin; ablation: 0 removes it
    clip_val: float = 0.01  # critic weights and biases stay within ± this
    e_steps: int = 100  # generator updates in a round's E-step
    critic_steps: int = 5  # critic updates before each generator update
    m_steps: int = 100  # CSEM updates in a round's M-step
    rounds: int = 600  # not published: there is no stopping rule; the curve peaks near 550
    class_texts: str = "first"  # "first": a class's first text only, as released; or "all"
    wrong_class: str = "previous"  # or ablations: "random", "nearest", "none" (see ClassSampler)
    triplet: bool = True  # ablation: false leaves Lc out of the generator's loss; CSEM keeps it
    adversarial: bool = True  # ablation: false leaves the critic out, its updates and its term
    joint: bool = False  # ablation: generator updates move CSEM too, and there is no M-step
    zero_pad_tail: bool = True  # bug: trains on zero rows where a pass runs out of classes
    allow_same_class_wrong: bool = (
        True  # bug: with few classes a wrong pair may be of the right one
    )
    select_on_test: bool = True  # bug: the best weights are chosen on the unseen classes
    validate_every: int = 10  # rounds between looks at the split that selects; released: 1
    select_by: str = "Prec@50 macro"  # the figure that the best weights maximise
    precision: str = "fp32"  # of matrix products on a GPU: fp32, tf32 or bf16
    seed: int = 7

    def __post_init__(self) -> None:
        words = {"class_texts": ("first", "all"), "select_by": figure_names()}
        check_settings(self, words | {"wrong_class": WRONG, "precision": PRECISIONS})
        if self.joint and not self.triplet:
            raise ConfigError(
                "joint=true trains CSEM by the generator's triplet term alone, which triplet=false "
                "removes; leave one of them out"
            )


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
        self.query_noise = QueryNoise(config.embed_dim, config.z_dim)
        self.to(device)
        self.noise = torch.Generator(device).manual_seed(config.seed)
        self.sampling: dict[str, torch.Tensor] = {}
        self._round: Round | None = None
        imagined = [*self.text_encoder.parameters(), *self.generator.parameters()]
        critic = TFRMSprop(self.critic.parameters(), config.discriminator_lr, limit=config.clip_val)
        generator = TFRMSprop(imagined, config.generator_lr)
        csem = TFAdam(self.csem.parameters(), config.csem_lr, (0.5, 0.999))
        self._moved_by = (critic, generator, csem)
        self.optimizers: dict[str, torch.optim.Optimizer] = dict(
            zip(("critic", "generator", "csem"), self._moved_by, strict=True)
        )

    @property
    def networks(self) -> Networks:
        """The four networks."""
        return Networks(self.text_encoder, self.generator, self.csem, self.critic)

    def start(self, rows: Rows, val: Rows) -> None:
        """Begin the first pass over the classes."""
        self.sampling = self._sampler(rows).start()

    def train_round(self, rows: Rows) -> dict[str, torch.Tensor]:
        """Make an E-step of 100 times (5 critic updates, 1 generator update), and an M-step."""
        if self._round is None or self._round.rows is not rows:
            sampler = self._sampler(rows)
            self._round = Round(self.config, self.networks, *self._moved_by, rows, sampler)
        return self._round.run(self.sampling, self.noise)

    def _sampler(self, rows: Rows) -> ClassSampler:
        config = self.config
        return ClassSampler(
            first_texts(rows) if config.class_texts == "first" else rows,
            config.batch_size,
            config.wrong_class,
            zero_pad_tail=config.zero_pad_tail,
            allow_same_class_wrong=config.allow_same_class_wrong,
        )

    def average_noise(self, samples: int) -> None:
        """Let queries average K fixed draws of eps and z; 0 means the mean, eps = 0 and z = 0."""
        self.query_noise.draw(samples)

    def encode_query(self, text: torch.Tensor) -> torch.Tensor:
        """Embed texts (B, T) -> unit rows (B, E) of CSEM on the imagined features."""
        return embed_query(text, self.networks, self.query_noise)

    def encode_gallery(self, image: torch.Tensor) -> torch.Tensor:
        """Embed image features (B, I) -> unit rows (B, E)."""
        return unit(self.csem(image))
