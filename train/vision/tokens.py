"""The places of a frozen network's last map as rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import onnx.parser
import torch
from torch import nn

from zscr.train.encoders.folder import write_encoder
from zscr.train.encoders.onnx import HEAD
from zscr.train.vision.cuts import HALVED, cuts_of, last_map, up_to
from zscr.train.vision.folder import Published
from zscr.train.vision.tower import States

# Of places, row after row.
_ROWS = """{head}
rows (float[batch, {width}, {side}, {side}] maps) => (float16[batch, {places}, {width}] features)
<int64[3] shape = {{0, {width}, {places}}}> {{
    flat = Reshape (maps, shape)
    tokens = Transpose <perm = [0, 2, 1]> (flat)
    features = Cast <to = 10> (tokens)
}}"""


class Tokens:
    """A `Backbone` whose rows are the tokens (P, W) of a frozen network, P = side · side."""

    def __init__(self, published: Published) -> None:
        """Find the last map.

        Raises:
            InputError: the network has none.
        """
        self.published = published
        self.name, self.sha256 = published.name, published.sha256
        self._map = last_map(cuts_of(published.model), self.name)
        self._width, self._side, _ = self._map.shape

    def encoder(self, *, sketch: bool = False, view: str = "") -> Path:
        """Return the folder of the encoder of tokens; see `Backbone`."""
        spec = self.published.fed(sketch=sketch, view=view)
        return self.published.kept("tokens", spec, partial(self._write, spec))

    def tower(self) -> nn.Module:
        """Return what takes tokens as they are, and their mean for the whole."""
        return Places(self._width, self._side)

    def _write(self, spec: Mapping[str, Any], out: Path) -> None:
        side = self._side
        text = _ROWS.format(head=HEAD, width=self._width, side=side, places=side * side)
        rows = onnx.parser.parse_model(text)
        about = {"source": self.name, "map": self._map.tensor, "dtype": str(HALVED)}
        model = up_to(self.published.model, self._map.tensor, rows)
        write_encoder(out, self.name, model, spec, about)


class Places(nn.Module):
    """A `VisionTower` of tokens (B, P, W): they are its states, and their mean is pooled."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.width, self.side = width, side

    def forward(self, rows: torch.Tensor) -> States:
        """Map tokens of 16 bits -> states."""
        tokens = rows.float()
        return States(tokens.mean(1), tokens)
