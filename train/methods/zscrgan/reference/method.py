"""`zscrgan-reference`: the released code's computation, bugs included, and the paper's ablations.

Each bug is a flag that is on by default; an honest comparison turns it off. What the released
code does and the flags do not change: its losses, optimisers, turns and order of the classes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from zscr.train.methods import contract
from zscr.train.methods.contract import Head
from zscr.train.methods.registry import Shapes
from zscr.train.methods.zscrgan.draws import first_texts
from zscr.train.methods.zscrgan.heads import FixedNoise, GalleryHead, text_and_gallery
from zscr.train.methods.zscrgan.networks import (
    Critic,
    Csem,
    Generator,
    Networks,
    TextEncoder,
    initialise,
)
from zscr.train.methods.zscrgan.reference.config import Config, needs
from zscr.train.methods.zscrgan.reference.em import Round
from zscr.train.methods.zscrgan.reference.heads import QueryHead
from zscr.train.methods.zscrgan.reference.optimizers import Optimizers
from zscr.train.methods.zscrgan.sampler import ClassSampler
from zscr.train.tables import TensorSplit

__all__ = ["Config", "Method", "needs"]


class Method(nn.Module):
    """The trainable model. See `zscr.train.methods.contract.Method` for the contract."""

    def __init__(self, config: Config, shapes: Shapes, device: torch.device | str = "cpu") -> None:
        super().__init__()
        [text_dim], [image_dim] = shapes["text"], shapes["image"]
        self.config = config
        self.text_encoder = TextEncoder(text_dim, config.embed_dim)
        self.generator = Generator(config.embed_dim, config.z_dim, config.gf_dim, image_dim)
        self.csem = Csem(image_dim, config.embed_dim)
        self.critic = Critic(image_dim, text_dim, config.df_dim)
        initialise(self, torch.Generator().manual_seed(config.seed))
        self.to(device)
        self.device = torch.device(device)
        self.noise = torch.Generator(device).manual_seed(config.seed)
        self.sampling: dict[str, torch.Tensor] = {}
        self.chosen: dict[str, Any] = {}
        self._optimizers = Optimizers.of(config, self.networks)
        self.optimizers: dict[str, torch.optim.Optimizer] = {**vars(self._optimizers)}

    @property
    def networks(self) -> Networks:
        """The four networks."""
        return Networks(self.text_encoder, self.generator, self.csem, self.critic)

    def bind(self, seen: TensorSplit, val: TensorSplit | None) -> None:
        """Take the tables `image` and `text` of the seen classes; the others choose nothing."""
        config = self.config
        self._sampler = ClassSampler(
            first_texts(seen) if config.class_texts == "first" else seen,
            config.batch_size,
            config.wrong_class,
            zero_pad_tail=config.zero_pad_tail,
            allow_same_class_wrong=config.allow_same_class_wrong,
        )
        self._round = Round(config, self.networks, self._optimizers, self._sampler)

    def start(self) -> None:
        """Begin the first pass over the classes."""
        self.sampling = self._sampler.start()

    def train_round(self) -> dict[str, torch.Tensor]:
        """Make an E-step of 100 times (5 critic updates, 1 generator update), and an M-step."""
        return self._round.run(self._round.draws(self.sampling, self.noise))

    def heads(self, *, noise_samples: int = 0, raw_feature: bool = False) -> dict[str, Head]:
        """Return the query and the gallery head, which share the method's weights.

        Args:
            noise_samples: K fixed draws of eps and z that a query averages over; 0 takes their
                mean, eps = 0 and z = 0.
            raw_feature: compare imagined and real image features as they are, without CSEM.
        """
        noise = FixedNoise(noise_samples, self.config.embed_dim, self.config.z_dim)
        mapper = () if raw_feature else (self.csem,)
        query = QueryHead(self.networks, noise.to(self.device), *mapper)
        # It scales no images: they are compared with each other as the encoder gives them.
        return text_and_gallery(query, GalleryHead(*mapper), feature=GalleryHead())


_CONTRACT: type[contract.Method] = Method  # for mypy: the class keeps the contract
