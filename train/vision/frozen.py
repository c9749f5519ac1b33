"""A backbone that is not trained: the features that `--image-encoder` gives, or a view's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from zscr.train.encoders.folder import write_encoder
from zscr.train.vision.cuts import shapes_of
from zscr.train.vision.folder import Published
from zscr.train.vision.tower import States


class Frozen:
    """A `Backbone` whose rows are the features of a published encoder."""

    def __init__(self, published: Published) -> None:
        self.published = published
        self.name, self.sha256 = published.name, published.sha256

    def encoder(self, *, sketch: bool = False, view: str = "") -> Path:
        """Return the encoder's own folder, or one that is fed otherwise; see `Backbone`."""
        if not sketch and not view:
            return self.published.folder
        spec = self.published.fed(sketch=sketch, view=view)
        return self.published.kept(self.published.part, spec, partial(self._write, spec))

    def tower(self) -> nn.Module:
        """Return what takes features as they are."""
        model = self.published.model
        [(width,)] = [shapes_of(model)[one.name] for one in model.graph.output]
        return Pooled(width)

    def _write(self, spec: Mapping[str, Any], out: Path) -> None:
        about = {"source": self.published.name}
        if self.published.dtype != "float32":
            about["dtype"] = self.published.dtype
        write_encoder(out, self.name, onnx.load(self.published.graph), spec, about)


class Pooled(nn.Module):
    """A `VisionTower` of features (B, W): they are its states, with themselves as one token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.side = width, 1

    def forward(self, rows: torch.Tensor) -> States:
        """Map features (B, W) -> states."""
        return States(rows, rows[:, None])
