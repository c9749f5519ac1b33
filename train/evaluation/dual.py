"""The linear dual encoder: the plainest model that is trained by gradients, as a control.

One linear map a side and a symmetric InfoNCE loss (van den Oord et al. 2018; Radford et al.
2021), on the scaled features that ridge regression sees too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from zscr.infer.encoder import Rows
from zscr.infer.evaluation.controls.control import Control, Features
from zscr.infer.evaluation.controls.linear import Scaling
from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.infer.features.table import Split, group_means
from zscr.progress import progress
from zscr.train.methods.losses import info_nce
from zscr.train.tables import TensorSplit, draw_pairs, to_device

NAME = "linear dual encoder"


@dataclass(frozen=True)
class DualConfig:
    """How it is trained."""

    temperatures: tuple[float, ...] = (0.1, 0.2, 0.4)
    dim: int = 1024  # of 256 and 1024 the better one on validation (aviary and sketchy25)
    batch_size: int = 128  # classes a step, or all of them: one image and one text of each
    lr: float = 3e-4
    look: int = 10  # steps between two looks at the validation classes
    patience: int = 15  # looks without a better one, after which training stops
    steps: int = 2000


def linear_dual_encoder(
    seen: Features, val: Features, seed: int, config: DualConfig | None = None
) -> Control:
    """Train one encoder a temperature; keep the weights with the best validation mAP.

    Each is stopped early by the validation classes, which also choose the temperature. `chosen`
    holds it, the step of the best weights, and whether each is at the edge of what was allowed.
    """
    config, trained = config or DualConfig(), dict[float, _Weights]()
    with progress(f"training the {NAME}", len(config.temperatures)) as bar:
        for one in config.temperatures:
            trained[one] = _train(seen, val, one, seed, config)
            bar.advance()
    temperature, best = max(trained.items(), key=lambda pair: pair[1].quality)
    chosen = {
        "val_mAP": best.quality,
        "temperature": temperature,
        "temperature_at_edge": temperature in (config.temperatures[0], config.temperatures[-1]),
        "step": best.step,
        "step_at_edge": best.step == config.steps,
        "seed": seed,
    }
    return Control(NAME, best.embed, chosen)


@dataclass(frozen=True)
class _Weights:
    """The two maps (T, D) and (I, D) after `step` updates, and their validation mAP."""

    text_scaling: Scaling
    image_scaling: Scaling
    text: torch.Tensor
    image: torch.Tensor
    step: int
    quality: float

    def embed(self, split: Features) -> tuple[Rows, Rows]:
        queries = _embed(_tensor(self.text_scaling(split["text"].rows)), self.text)
        gallery = _embed(_tensor(self.image_scaling(split["image"].rows)), self.image)
        return queries.numpy(), gallery.numpy()


def _train(
    seen: Features, val: Features, temperature: float, seed: int, config: DualConfig
) -> _Weights:
    """Train until the validation classes have gained nothing for `patience` looks."""
    noise, judged_on = torch.Generator().manual_seed(seed), split_task(val, "val")
    means = group_means(seen["text"].rows, seen["text"].starts)
    both = Scaling.of(means, "class mean texts"), Scaling.of(seen["image"].rows, "images")
    scaled = _scaled(seen, *both)
    maps = [_begun(scaled[name].rows.shape[1], config.dim, noise) for name in ("text", "image")]
    optimizer = torch.optim.Adam(maps, config.lr)
    best = _Weights(*both, maps[0].detach(), maps[1].detach(), step=0, quality=-1.0)
    for step in range(1, config.steps + 1):
        texts, images = draw_pairs(scaled, config.batch_size, noise, ("text", "image"))
        loss = 2 * info_nce(texts @ maps[0], images @ maps[1], 1 / temperature)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % config.look == 0:
            text_map, image_map = (weights.detach().clone() for weights in maps)
            now = _Weights(*both, text_map, image_map, step, quality=math.nan)
            now = replace(now, quality=Embedded(judged_on, *now.embed(val)).figure("mAP"))
            if now.quality > best.quality:
                best = now
            elif step - best.step >= config.patience * config.look:
                break
    return best


def _scaled(seen: Features, text: Scaling, image: Scaling) -> TensorSplit:
    """Scale both tables -> tensors."""
    rows = {"text": text(seen["text"].rows), "image": image(seen["image"].rows)}
    tables = {name: replace(seen[name], rows=rows[name].astype(np.float32)) for name in rows}
    return to_device(Split(seen.groups, tables), "cpu")


def _begun(width: int, dim: int, noise: torch.Generator) -> torch.Tensor:
    """Draw a linear map (width, dim) to be trained."""
    weights: torch.Tensor = torch.randn(width, dim, generator=noise) / float(width**0.5)
    return weights.requires_grad_()


def _embed(rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return functional.normalize(rows @ weights, dim=1)


def _tensor(rows: npt.NDArray[np.floating]) -> torch.Tensor:
    return torch.from_numpy(rows.astype(np.float32))
