"""`zscrgan`: honest selection, and an EM procedure made for about a hundred classes.

E-step: text encoder and GAN, by per-sample losses over batches of different classes. M-step: the
common-space mapper (CSEM), solved exactly on real images and on what the generator imagines for
the seen classes' texts and for texts between them. All that is chosen is chosen on validation
classes; docs/experiments.md tells what was tried.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import nn

from zscr.infer.evaluation.controls.kernel import PENALTIES
from zscr.infer.evaluation.controls.preprocessing import SHRINKS
from zscr.progress import say
from zscr.train.methods import contract
from zscr.train.methods.contract import Head, Unlabelled
from zscr.train.methods.registry import Shapes
from zscr.train.methods.scaling import Scaling
from zscr.train.methods.zscrgan.heads import FixedNoise, GalleryHead, text_and_gallery
from zscr.train.methods.zscrgan.improved.adapt import Trained, adapt
from zscr.train.methods.zscrgan.improved.choice import choose, imagined_gain, mean_ap
from zscr.train.methods.zscrgan.improved.config import Config, needs
from zscr.train.methods.zscrgan.improved.e_step import EStep
from zscr.train.methods.zscrgan.improved.heads import QueryHead
from zscr.train.methods.zscrgan.improved.imagination import Imagination
from zscr.train.methods.zscrgan.improved.kernel import KernelCsem
from zscr.train.methods.zscrgan.improved.m_step import MStep, RealSums
from zscr.train.methods.zscrgan.improved.scaling import TextScaling
from zscr.train.methods.zscrgan.networks import Critic, initialise
from zscr.train.methods.zscrgan.sampler import ClassSampler
from zscr.train.precision import computing_in
from zscr.train.tables import Tensors, TensorSplit, group_means, owners

__all__ = ["ABLATIONS", "Config", "Method", "needs"]

ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "before round 1": {"rounds": 0},
    "without the critic": {"adversarial": 0.0},
    "without the imagined part of a query": {"query_imagined": 0.0},
}
PROTOTYPE_PENALTY = 1.0  # of the generator's ridge start; texts have length 1


@dataclass(frozen=True)
class Steps:
    """Scaled tables of the seen classes, and the two steps over them."""

    scaled: TensorSplit
    e_step: EStep
    m_step: MStep


class Method(nn.Module):
    """The trainable model. See `zscr.train.methods.contract.Method` for the contract."""

    penalty: torch.Tensor  # of CSEM, for all real images together
    share: torch.Tensor  # of the imagined part in a query

    def __init__(self, config: Config, shapes: Shapes, device: torch.device | str = "cpu") -> None:
        super().__init__()
        [text_dim], [image_dim] = shapes["text"], shapes["image"]
        self.config, self.shapes, self.dim = config, shapes, min(config.embed_dim, text_dim)
        self.image_scaling = Scaling(image_dim, rooted=True)
        self.text_scaling = TextScaling(text_dim, self.dim)
        self.imagination = Imagination(self.dim, config.z_dim, config.gf_dim, image_dim)
        self.csem = KernelCsem(config.landmarks, image_dim, self.dim, config.csem_width)
        self.critic = Critic(image_dim, self.dim, config.df_dim)
        self.register_buffer("penalty", torch.zeros(()))
        self.register_buffer("share", torch.tensor(config.query_imagined))
        weights = torch.Generator().manual_seed(config.seed)
        initialise(self.critic, weights)
        self.imagination.initialise(weights)
        self.averaged = copy.deepcopy(self.imagination).requires_grad_(False)
        self.to(device)
        self.device = torch.device(device)
        self.noise = torch.Generator(device).manual_seed(config.seed)
        self.sampling: dict[str, torch.Tensor] = {}
        self.chosen: dict[str, Any] = {}
        rates = {"critic": config.discriminator_lr, "generator": config.generator_lr}
        learned = {"critic": self.critic, "generator": self.imagination}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam(learned[name].parameters(), rate, (0.5, 0.9), fused=True)
            for name, rate in rates.items()
        }

    def bind(self, seen: TensorSplit, val: TensorSplit | None) -> None:
        """Take the tables `image` and `text` of the seen and of the validation classes."""
        self._seen, self._val = seen, val
        self._sampler = ClassSampler(seen, self.config.batch_size)
        self._steps: Steps | None = None

    @torch.no_grad()
    def start(self) -> None:
        """Fit what has a closed form: scalings, choices, prototypes, and CSEM on real images."""
        self.sampling = self._sampler.start()
        self.image_scaling.fit(self._seen["image"].rows)
        scaled = self._scaled_images()
        self.csem.place(scaled.rows, self.noise)
        real = RealSums.of(self.csem, scaled)
        if self._val is None:
            self._fit(scaled, real, self.config.text_shrink, self.config.csem_penalty)
        else:
            share = self._choose_share(self._val)
            self.share.fill_(share)  # first: the rest is judged by queries as they are asked
            self._choose(self._val, scaled, real)
            self.chosen["query_imagined"] = share
        self._steps = self._make(scaled, real)

    def _choose(self, val: TensorSplit, scaled: Tensors, real: RealSums) -> None:
        """Choose what the settings leave open, on the validation classes' queries as asked."""
        shrinks, penalties = self._candidates()

        def quality(shrink: float, penalty: float) -> float:
            self._fit(scaled, real, shrink, penalty)
            return mean_ap(self.heads(), val)

        pairs = [*product(shrinks, penalties)]
        best = choose(pairs, quality)
        self._fit(scaled, real, best.shrink, best.penalty)
        self.chosen = {"text_shrink": best.shrink, "csem_penalty": best.penalty}
        if len(pairs) > 1:
            say(
                f"validation classes chose text_shrink={best.shrink:g}, "
                f"csem_penalty={best.penalty:g} (mAP {best.mean_ap:.3f} before round 1)"
            )

    def _candidates(self) -> tuple[Sequence[float], Sequence[float]]:
        """Return shrinkages and penalties to choose between, the default first, or what is set."""
        shrink, penalty = self.config.text_shrink, self.config.csem_penalty
        return (shrink,) if shrink else SHRINKS, (penalty,) if penalty else PENALTIES

    def _choose_share(self, val: TensorSplit) -> float:
        """Keep the imagined part of queries where it does not harm classes held out of the fit.

        What it adds differs between collections by less than a dozen validation classes can tell,
        so every class, seen or validation, is held out once.
        """
        share = self.config.query_imagined
        if not share:
            return 0.0
        shrinks, penalties = self._candidates()

        def fitted(split: TensorSplit) -> dict[float, dict[str, Head]]:
            settings: dict[str, Any] = {"text_shrink": shrinks[0], "csem_penalty": penalties[0]}
            settings["batch_size"] = min(self.config.batch_size, len(split.groups))
            config = replace(self.config, **settings)
            method = Method(config, self.shapes, self.device)
            method.bind(split, None)
            method.start()
            return {one: method._heads(one, 0) for one in (share, 0.0)}

        gain = imagined_gain(self._seen, val, fitted)
        kept = share if gain >= 0 else 0.0
        say(f"folds of all classes chose query_imagined={kept:g} ({share:g} gives {gain:+.3f} mAP)")
        return kept

    def _fit(self, scaled: Tensors, real: RealSums, shrink: float, penalty: float) -> None:
        """Fit text scaling, generator and CSEM as they are before round 1.

        Args:
            scaled: the images of the classes that are fitted; real: their sums.
            shrink: of the texts' whitening; penalty: of CSEM, an image.
        """
        self.text_scaling.fit(self._seen["text"], shrink)
        texts = self._scaled_texts()
        prototypes = group_means(scaled)[owners(texts)]
        self.imagination.start(texts.rows, prototypes, PROTOTYPE_PENALTY)
        self.averaged.load_state_dict(self.imagination.state_dict())
        self.penalty.fill_(penalty * len(scaled.rows))
        self._m_step(real, texts).run(imagined=0)

    def train_round(self) -> dict[str, torch.Tensor]:
        """Make an E-step of `e_steps` times (critic updates, generator update), and an M-step."""
        config, steps = self.config, self._made()
        updates = config.e_steps * (config.critic_steps + 1)
        draws = self._sampler.draw(updates, self.sampling, self.noise)
        losses = steps.e_step.run(steps.scaled, draws)
        return losses | {"loss/csem": steps.m_step.run(config.imagined)}

    def heads(self, *, noise_samples: int = 0) -> dict[str, Head]:
        """Return the query and the gallery head, which share the method's weights.

        Args:
            noise_samples: K fixed draws of eps and z that a query averages over; 0 takes their
                mean, eps = 0 and z = 0.
        """
        return self._heads(self.share.item(), noise_samples)

    def _heads(self, share: float, noise_samples: int) -> dict[str, Head]:
        noise = FixedNoise(noise_samples, self.dim, self.config.z_dim).to(self.device)
        settings = self.config.latent_noise, share
        query = QueryHead(self.text_scaling, self.averaged, self.csem, noise, *settings)
        gallery = GalleryHead(self.image_scaling, self.csem)
        return text_and_gallery(query, gallery, feature=GalleryHead(self.image_scaling))

    @torch.no_grad()
    def adapt(
        self, fitted: TensorSplit, unlabelled: Unlabelled, *, k: int = 5, weight: float = 3.0
    ) -> dict[str, Any]:
        """Make one round of EM over unlabelled images, in which CSEM alone is solved anew.

        Args:
            fitted: the tables that the weights were fitted to; unlabelled: what they adapt to.
            k: images that are given each name, where the list of names is not complete.
            weight: of an unlabelled image in the M-step, beside a real one's 1.
        """
        parts = self.image_scaling, self.text_scaling, self.averaged, self.csem
        return adapt(Trained(*parts, self.penalty, self.noise), fitted, unlabelled, k, weight)

    def _made(self) -> Steps:
        """Make a resumed run's steps when they are first needed: a checkpoint sets the scalings.

        In float32 whatever the rounds compute in, for a resumed run makes them within a round.
        """
        if self._steps is None:
            with torch.no_grad(), computing_in("fp32", self.device):
                images = self._scaled_images()
                self._steps = self._make(images, RealSums.of(self.csem, images))
        return self._steps

    def _make(self, images: Tensors, real: RealSums) -> Steps:
        """Make the steps over scaled images, whose sums are `real`, and over the texts."""
        texts = self._scaled_texts()
        scaled = replace(self._seen, tables={"image": images, "text": texts})
        trained = self.imagination, self.averaged, self.critic, self.csem
        e_step = EStep(self.config, *trained, self.optimizers, self.noise)
        return Steps(scaled, e_step, self._m_step(real, texts))

    def _scaled_images(self) -> Tensors:
        images = self._seen["image"]
        return replace(images, rows=self.image_scaling(images.rows))

    def _scaled_texts(self) -> Tensors:
        texts = self._seen["text"]
        return replace(texts, rows=self.text_scaling(texts.rows))

    def _m_step(self, real: RealSums, texts: Tensors) -> MStep:
        solved = self.csem, self.averaged, self.penalty
        return MStep(self.config, *solved, real, texts, self.noise)


_CONTRACT: type[contract.Method] = Method  # for mypy: the class keeps the contract
_ADAPTABLE: type[contract.Adaptable] = Method
