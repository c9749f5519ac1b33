"""A small image encoder for collections without a pretrained one: a CNN trained on seen classes.

It sees the seen classes alone, so the unseen classes stay unseen in every weight that a query or a
gallery embedding passes through. What it learns to tell of an image is its objective: see there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from zscr.errors import InputError
from zscr.infer.inputs.image import ImageInput
from zscr.infer.runners.runner import Runtime
from zscr.progress import progress, say
from zscr.train.encoders.folder import write_encoder
from zscr.train.encoders.image import pixel_spec
from zscr.train.encoders.objectives import Objective
from zscr.train.encoders.onnx import require_parity, trace

TOLERANCE = 1e-4
_HALF = 127.5  # of 8 bits: pixels are scaled to -1..1
_POOLED = 2  # blocks, the last ones


@dataclass(frozen=True)
class CnnConfig:
    """The CNN's recipe, chosen on the validation species of `aviary`."""

    size: int = 96  # pixels
    widths: tuple[int, ...] = (32, 64, 128, 256)
    epochs: int = 30
    batch_size: int = 48
    lr: float = 2e-3
    weight_decay: float = 0.05
    hidden: int = 0  # width of a layer over means and maxima of channels; 0: the last means alone
    turn: float = 0.0  # radians by which an image is turned at most, either way
    seed: int = 7

    @property
    def preprocess(self) -> dict[str, Any]:
        """The preprocessing that travels with the encoder."""
        half = [0.5, 0.5, 0.5]
        resize = {"image_size": self.size, "resize_shorter_side": self.size}
        return resize | {"resample": "bilinear", "rescale": 1 / 255, "mean": half, "std": half}

    @property
    def dim(self) -> int:
        """D, the length of a feature."""
        return self.hidden or self.widths[-1]


class SmallCnn(nn.Module):
    """Strided conv blocks, pooled: pixels (B, 3, S, S) -> non-negative (B, D)."""

    def __init__(self, config: CnnConfig) -> None:
        super().__init__()
        steps = zip((3, *config.widths[:-1]), config.widths, strict=True)
        self.blocks = nn.ModuleList(
            nn.Sequential(*_conv(before, after, stride=2), *_conv(after, after, stride=1))
            for before, after in steps
        )
        pooled = 2 * sum(config.widths[-_POOLED:])
        layer = nn.Linear(pooled, config.hidden) if config.hidden else None
        self.hidden = nn.Sequential(layer, nn.ReLU()) if layer else None

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map normalised pixels to features.

        A maximum keeps what covers few pixels and is lost in a mean; the block before the last
        keeps what is small.
        """
        maps = [pixels]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        if self.hidden is None:
            mean: torch.Tensor = maps[-1].mean((2, 3))
            return mean
        last = maps[1:][-_POOLED:]
        pooled = [pool for one in last for pool in (one.mean((2, 3)), one.amax((2, 3)))]
        features: torch.Tensor = self.hidden(torch.cat(pooled, 1))
        return features


def _conv(before: int, after: int, *, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(after), nn.ReLU()]


def train_cnn(
    images: Sequence[Path],
    labels: Sequence[int],
    objective: Objective,
    out: Path,
    name: str,
    config: CnnConfig,
) -> None:
    """Train on the seen classes' images and write the frozen encoder `out`.

    Args:
        images: N paths.
        labels: N class numbers, 0 to C-1.
        objective: makes the loss module for features of `config.dim` dimensions.
        out: the encoder's folder; must not exist.
        name: short name for files and messages.
        config: the recipe.

    Raises:
        InputError: no image can be decoded.
        ParityError: the ONNX graph differs from the trained network.
    """
    spec = pixel_spec(config.preprocess)
    pixels, kept = _decode(ImageInput(spec, out, Runtime().thread_count), images)
    network = _fit(pixels, torch.tensor(labels)[kept], objective, config)
    samples = _scaled(pixels[:8])
    model = trace(network, {"pixels": samples[:2]}, "features", dynamic={"pixels": {0: "batch"}})
    with torch.no_grad():
        expected = network(samples).numpy()
    feeds = {"pixels": samples.numpy()}
    difference = require_parity("the CNN's graph", model, feeds, expected, TOLERANCE)
    about = {"source": f"trained on {len(kept)} images of seen classes"}
    write_encoder(out, name, model, spec, about | {"max_abs_difference_to_torch": difference})


def _decode(pixels: ImageInput, images: Sequence[Path]) -> tuple[torch.Tensor, list[int]]:
    """Decode what can be decoded -> (N', 3, S, S) of 8 bits and the N' rows that it comes from."""
    arrays, kept, reason = [], [], ""
    for row, image in enumerate(images):
        try:
            scaled = pixels.prepare([image]).feeds[pixels.names[0]]
        except InputError as error:
            reason = str(error)
            continue
        arrays.append(np.rint(scaled * _HALF + _HALF).astype(np.uint8))  # what Pillow decoded
        kept.append(row)
    if not kept:
        raise InputError(f"none of {len(images)} images can be decoded: {reason}")
    if reason:
        lost = len(images) - len(kept)
        say(f"the image encoder is trained without {lost} images, such as: {reason}")
    return torch.from_numpy(np.concatenate(arrays)), kept


def _scaled(pixels: torch.Tensor) -> torch.Tensor:
    """Bring 8 bits to -1..1, channels innermost, which convolves faster."""
    return (pixels.float() / _HALF - 1).contiguous(memory_format=torch.channels_last)


def _fit(
    pixels: torch.Tensor, labels: torch.Tensor, objective: Objective, config: CnnConfig
) -> SmallCnn:
    generator = torch.Generator().manual_seed(config.seed)
    with torch.random.fork_rng([]):
        torch.manual_seed(config.seed)
        network = SmallCnn(config)
        loss_of = objective(config.dim)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parameters = [*network.parameters(), *loss_of.parameters()]
    optimizer = torch.optim.AdamW(parameters, config.lr, weight_decay=config.weight_decay)
    steps = config.epochs * -(-len(pixels) // config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.lr, steps)
    with progress("training the image encoder", config.epochs) as bar:
        for _ in range(config.epochs):
            order = torch.randperm(len(pixels), generator=generator)
            for rows in torch.split(order, config.batch_size):
                shown = augment(_scaled(pixels[rows]), config.turn, generator)
                loss = loss_of(network(shown), labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
            bar.advance(1, f"loss {loss.item():.3f}")
    return network.eval()


def augment(
    pixels: torch.Tensor, turn: float = 0.0, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Flip, shift, rescale and turn each image; colours stay, because classes differ by them."""
    count = len(pixels)
    draw = torch.rand((count, 5), generator=generator, device=pixels.device)
    zoom = 0.85 + 0.3 * draw[:, 0]
    flip = torch.where(draw[:, 1] < 0.5, -1.0, 1.0)
    angle = (2 * draw[:, 4] - 1) * turn
    matrix = torch.zeros(count, 2, 3, device=pixels.device)
    matrix[:, 0, 0], matrix[:, 0, 1] = zoom * flip * angle.cos(), -zoom * angle.sin()
    matrix[:, 1, 0], matrix[:, 1, 1] = zoom * flip * angle.sin(), zoom * angle.cos()
    matrix[:, :, 2] = (draw[:, 2:4] - 0.5) * 0.3
    grid = functional.affine_grid(matrix, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
