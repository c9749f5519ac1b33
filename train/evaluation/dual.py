"""The linear dual encoder: the plainest model that is trained by gradients, as a control.

One linear map a side and a symmetric InfoNCE loss (van den Oord et al. 2018; Radford et al.
2021), on features that are scaled or preprocessed as those of the other controls are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from zscr.data.tasks import Task
from zscr.infer.encoder import Rows
from zscr.infer.evaluation.controls.control import Control, Features
from zscr.infer.evaluation.controls.preprocessing import SHRINKS, Preprocessing
from zscr.infer.evaluation.controls.selected import at_edge
from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.infer.features.table import Split, joined
from zscr.progress import progress
from zscr.train.methods.losses import info_nce
from zscr.train.tables import TensorSplit, draw_pairs, to_device

NAME = "linear dual encoder"


@dataclass(frozen=True)
class DualConfig:
    """How it is trained."""

    temperatures: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    shrinks: tuple[float, ...] = (0.0, SHRINKS[0])  # of the preprocessing; 0: only scaled
    dim: int = 1024  # of 256 and 1024 the better one on validation (aviary and sketchy25)
    batch_size: int = 128  # classes a step, or all of them: one image and one text of each
    lr: float = 3e-4
    look: int = 10  # steps between two looks at the validation classes
    patience: int = 15  # looks without a better one, after which training stops
    steps: int = 2000


def linear_dual_encoder(
    seen: Features,
    val: Features,
    seed: int,
    config: DualConfig | None = None,
    *,
    refit: bool = False,
) -> Control:
    """Train one encoder a temperature and preprocessing; keep the best on the validation classes.

    Each is stopped early by the validation classes, which also choose between them. `chosen`
    holds temperature, shrinkage (0: features as they are), the step of the best weights, and
    whether each is at the edge of what was allowed.

    Args:
        seen: the classes it is trained on; val: those that choose.
        seed: of weights and batches.
        config: the recipe.
        refit: train anew on both, for as many steps at what was chosen.
    """
    config, task = config or DualConfig(), split_task(val, "val")
    tried, trained = list(product(config.shrinks, config.temperatures)), []
    with progress(f"training the {NAME}", len(tried)) as bar:
        for shrink, temperature in tried:
            problem = _Problem.of(seen, shrink, temperature, config)
            trained.append(_stopped_early(problem, seed, val, task))
            bar.advance()
    place = max(range(len(tried)), key=lambda one: trained[one].quality)
    (shrink, temperature), best = tried[place], trained[place]
    chosen = {
        "val_mAP": best.quality,
        "temperature": temperature,
        "temperature_at_edge": at_edge(temperature, config.temperatures),
        "shrink": shrink,
        "shrink_at_edge": False,
        "step": best.step,
        "step_at_edge": best.step == config.steps,
        "seed": seed,
    }
    if refit:
        problem = _Problem.of(joined(seen, val), shrink, temperature, config)
        *_, best = _steps(problem, seed, best.step, best.step)
    return Control(NAME, best.embed, chosen)


@dataclass(frozen=True)
class _Problem:
    """What is trained on: scaled tables, the maps that scaled them, and how."""

    preprocessing: Preprocessing
    scaled: TensorSplit
    temperature: float
    config: DualConfig

    @classmethod
    def of(
        cls, features: Features, shrink: float, temperature: float, config: DualConfig
    ) -> _Problem:
        preprocessing = Preprocessing.of(features, shrink or None)
        scale = {"text": preprocessing.text, "image": preprocessing.image}
        tables = {
            name: replace(features[name], rows=one(features[name].rows).astype(np.float32))
            for name, one in scale.items()
        }
        scaled = to_device(Split(features.groups, tables), "cpu")
        return cls(preprocessing, scaled, temperature, config)


@dataclass(frozen=True)
class _Weights:
    """The two maps (T, D) and (I, D) after `step` updates, and their validation mAP."""

    preprocessing: Preprocessing
    text: torch.Tensor
    image: torch.Tensor
    step: int
    quality: float = -1.0

    def embed(self, split: Features) -> tuple[Rows, Rows]:
        queries = _embed(_tensor(self.preprocessing.text(split["text"].rows)), self.text)
        gallery = _embed(_tensor(self.preprocessing.image(split["image"].rows)), self.image)
        return queries.numpy(), gallery.numpy()


def _stopped_early(problem: _Problem, seed: int, val: Features, task: Task) -> _Weights:
    """Train until the validation classes have gained nothing for `patience` looks."""
    best, config = None, problem.config
    for now in _steps(problem, seed, config.steps, config.look):
        now = replace(now, quality=Embedded(task, *now.embed(val)).figure("mAP"))
        if best is None or now.quality > best.quality:
            best = now
        elif now.step - best.step >= config.patience * config.look:
            break
    assert best is not None, "the weights before the first step are looked at"
    return best


def _steps(problem: _Problem, seed: int, steps: int, look: int) -> Iterator[_Weights]:
    """Yield the weights before the first of `steps` updates, and after each `look` of them."""
    noise, config, scaled = torch.Generator().manual_seed(seed), problem.config, problem.scaled
    maps = [_begun(scaled[name].rows.shape[1], config.dim, noise) for name in ("text", "image")]
    optimizer = torch.optim.Adam(maps, config.lr)
    for step in range(steps + 1):
        if step % (look or 1) == 0:
            text, image = (one.detach().clone() for one in maps)
            yield _Weights(problem.preprocessing, text, image, step)
        texts, images = draw_pairs(scaled, config.batch_size, noise, ("text", "image"))
        loss = 2 * info_nce(texts @ maps[0], images @ maps[1], 1 / problem.temperature)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _begun(width: int, dim: int, noise: torch.Generator) -> torch.Tensor:
    """Draw a linear map (width, dim) to be trained."""
    weights: torch.Tensor = torch.randn(width, dim, generator=noise) / float(width**0.5)
    return weights.requires_grad_()


def _embed(rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return functional.normalize(rows @ weights, dim=1)


def _tensor(rows: npt.NDArray[np.floating]) -> torch.Tensor:
    return torch.from_numpy(rows.astype(np.float32))
