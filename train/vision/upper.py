"""A published network whose upper part is trained: maps of its lower part are kept as rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import torch
from torch import nn

from zscr.train.encoders.folder import write_encoder
from zscr.train.encoders.onnx import HEAD, require_parity, run_bytes
from zscr.train.vision.cuts import HALVED, Cut, chosen_cut, cuts_of, shapes_of, up_to
from zscr.train.vision.folder import Published
from zscr.train.vision.rebuilt import Rebuilt

TOLERANCE = 1e-5  # of features, relative to the largest where that is over 1
_HALVED = """{0}
rows (float[batch, {1}] maps) => (float16[batch, {1}] features) {{
    features = Cast <to = 10> (maps)
}}"""
_WHOLE = """{0}
rows (float[batch, {1}] maps) => (float[batch, {1}] features) {{ features = Identity (maps) }}"""


class Upper:
    """A `Backbone` of two halves: the lower as an encoder of maps, the upper as a tower.

    Attributes:
        cut: where it is cut in two.
    """

    def __init__(self, published: Published, cut: str = "") -> None:
        """Find the place to cut at; see `chosen_cut`.

        Raises:
            InputError: there is none.
        """
        self.published = published
        self.name, self.sha256 = published.name, published.sha256
        self._model = published.model
        self.cut: Cut = chosen_cut(cuts_of(self._model), cut, self.name)

    def encoder(self, *, sketch: bool = False, view: str = "") -> Path:
        """Return the folder of the lower half, whose rows are maps (C, H, W); see `Backbone`."""
        spec = self.published.fed(sketch=sketch, view=view)
        return self.published.kept(f"lower {self.cut.tensor}", spec, partial(self._write, spec))

    def tower(self) -> nn.Module:
        """Return the upper half, all of it to be trained.

        Raises:
            InputError: it has an operator that is not known here.
        """
        return Rebuilt(self._model, self.cut, self.name)

    def _write(self, spec: Mapping[str, Any], out: Path) -> None:
        about: dict[str, Any] = {"source": self.name, "dtype": str(HALVED)}
        about |= {"cut": self.cut.tensor, "max_abs_difference_to_torch": self.parity()}
        write_encoder(out, self.name, self._lower(_HALVED), spec, about)

    def parity(self) -> float:
        """Return the largest difference between the graph's features and those of both halves.

        Raises:
            ParityError: it is more than rounding.
        """
        pixels, *_ = self._model.graph.input
        shape = (2, *shapes_of(self._model)[pixels.name])
        feeds = {pixels.name: np.random.default_rng(0).random(shape, np.float32) * 2 - 1}
        maps = torch.from_numpy(run_bytes(self._lower(_WHOLE), feeds))
        with torch.no_grad():
            found = self.tower()(maps).pooled.numpy()
        tolerance = TOLERANCE * max(1.0, float(np.abs(found).max()))
        return require_parity(self.name, self._model, feeds, found, tolerance)

    def _lower(self, rows: str) -> onnx.ModelProto:
        """Return the graph from pixels to rows."""
        model = onnx.parser.parse_model(rows.format(HEAD, ", ".join(map(str, self.cut.shape))))
        return up_to(self._model, self.cut.tensor, model)
