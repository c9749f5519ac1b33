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

from zscr.infer.evaluation.controls.control import Control, class_means
from zscr.infer.evaluation.controls.linear import Scaling
from zscr.infer.evaluation.embedded import Judged, judged
from zscr.infer.features.split import SplitFeatures
from zscr.progress import progress

NAME = "linear dual encoder"
TEMPERATURES = (0.1, 0.2, 0.4)
DIM = 1024  # of 256 and 1024 the better one on the validation classes of aviary and sketchy25
BATCH = 128  # classes a step, or all of them: one image and one text of each
RATE = 3e-4
LOOK = 10  # steps between two looks at the validation classes
PATIENCE = 15  # looks without a better one, after which training stops
STEPS = 2000


def linear_dual_encoder(seen: SplitFeatures, val: SplitFeatures, seed: int) -> Control:
    """Train one encoder a temperature; keep the weights with the best validation mAP.

    Each is stopped early by the validation classes, which also choose the temperature. `chosen`
    holds it, the step of the best weights, and whether each is at the edge of what was allowed.
    """
    trained: dict[float, _Weights] = {}
    with progress(f"training the {NAME}", len(TEMPERATURES)) as bar:
        for temperature in TEMPERATURES:
            trained[temperature] = _train(seen, val, temperature, seed)
            bar.advance()
    temperature, best = max(trained.items(), key=lambda pair: pair[1].quality)
    chosen = {
        "val_mAP": best.quality,
        "temperature": temperature,
        "temperature_at_edge": temperature in (TEMPERATURES[0], TEMPERATURES[-1]),
        "step": best.step,
        "step_at_edge": best.step == STEPS,
        "seed": seed,
    }
    return Control(NAME, best.judge, chosen)


@dataclass(frozen=True)
class _Weights:
    """The two maps (T, D) and (I, D) after `step` updates, and their validation mAP."""

    text_scaling: Scaling
    image_scaling: Scaling
    text: torch.Tensor
    image: torch.Tensor
    step: int
    quality: float

    def judge(self, split: SplitFeatures) -> Judged:
        queries = _embed(_tensor(self.text_scaling(split.texts)), self.text)
        gallery = _embed(_tensor(self.image_scaling(split.images)), self.image)
        return judged(split, queries.numpy(), gallery.numpy())


def _train(seen: SplitFeatures, val: SplitFeatures, temperature: float, seed: int) -> _Weights:
    """Train until the validation classes have gained nothing for `PATIENCE` looks."""
    draw = torch.Generator().manual_seed(seed)
    scalings = Scaling.of(class_means(seen.texts, seen.text_starts), "class mean texts")
    both = scalings, Scaling.of(seen.images, "images")
    texts, images = _tensor(both[0](seen.texts)), _tensor(both[1](seen.images))
    maps = [
        (torch.randn(rows.shape[1], DIM, generator=draw) / rows.shape[1] ** 0.5).requires_grad_()
        for rows in (texts, images)
    ]
    optimizer = torch.optim.Adam(maps, RATE)
    best = _Weights(*both, maps[0].detach(), maps[1].detach(), step=0, quality=-1.0)
    for step in range(1, STEPS + 1):
        text, image = _pairs(seen, draw)
        logits = _embed(texts[text], maps[0]) @ _embed(images[image], maps[1]).T / temperature
        right = torch.arange(len(logits))
        loss = functional.cross_entropy(logits, right) + functional.cross_entropy(logits.T, right)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % LOOK == 0:
            text_map, image_map = (weights.detach().clone() for weights in maps)
            now = _Weights(*both, text_map, image_map, step, quality=math.nan)
            now = replace(now, quality=float(now.judge(val).average_precision().mean()))
            if now.quality > best.quality:
                best = now
            elif step - best.step >= PATIENCE * LOOK:
                break
    return best


def _pairs(seen: SplitFeatures, draw: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw up to `BATCH` different classes, and of each a text's row and an image's."""
    classes = torch.randperm(len(seen.classes), generator=draw)[:BATCH]
    return _rows(seen.text_starts, classes, draw), _rows(seen.image_starts, classes, draw)


def _rows(
    starts: npt.NDArray[np.int64], classes: torch.Tensor, draw: torch.Generator
) -> torch.Tensor:
    bounds = torch.from_numpy(starts)
    first, counts = bounds[classes], bounds.diff()[classes]
    share = torch.rand(len(classes), generator=draw, dtype=torch.float64)
    return first + (share * counts).long()


def _embed(rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return functional.normalize(rows @ weights, dim=1)


def _tensor(rows: npt.NDArray[np.floating]) -> torch.Tensor:
    return torch.from_numpy(rows.astype(np.float32))
