"""The places of a frozen network's last map as rows, whole or by a collection's own directions.

A map of 7 x 7 places of 1,280 numbers takes 125 KB an image, by 256 directions 25 KB.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import torch
from onnx import numpy_helper
from torch import nn

from zscr.data.collection import Collection
from zscr.errors import ConfigError
from zscr.infer.encoder import load_encoder
from zscr.infer.features.store import Source, encode_sources
from zscr.train.encoders.folder import write_encoder
from zscr.train.encoders.onnx import HEAD
from zscr.train.vision.cuts import HALVED, cuts_of, inferred, last_map, up_to
from zscr.train.vision.directions import (
    FILE,
    Vectors,
    fit_directions,
    read_directions,
)
from zscr.train.vision.folder import Published
from zscr.train.vision.tower import States

SAMPLE = 256  # photos, and sketches, that directions are fitted to, each with all its places
# Of places, row after row; then (sign(t) sqrt|t| - mean) matrix of each.
_ROWS = """{head}
rows (float[batch, {channels}, {side}, {side}] maps) => (float16[batch, {places}, {width}] features)
<int64[3] shape = {{0, {channels}, {places}}}> {{
    flat = Reshape (maps, shape)
    tokens = Transpose <perm = [0, 2, 1]> (flat)
    {reduced}
    features = Cast <to = 10> ({last})
}}"""
_REDUCED = """signs = Sign (tokens)
    sizes = Abs (tokens)
    roots = Sqrt (sizes)
    evened = Mul (signs, roots)
    centred = Sub (evened, mean)
    directed = MatMul (centred, matrix)"""


class Tokens:
    """A `Backbone` whose rows are the tokens (P, W) of a frozen network, P = side · side.

    Attributes:
        width: of a token.
    """

    def __init__(self, published: Published, width: int = 0) -> None:
        """Find the last map.

        Args:
            published: the network; width: of the tokens by a collection's directions, 0 for the
                map's own.

        Raises:
            ConfigError: there are not so many directions.
            InputError: the network has no map.
        """
        self.published, self.fitted = published, width > 0
        self.name, self.sha256 = published.name, published.sha256
        self._model = inferred(onnx.load(published.graph))
        self._map = last_map(cuts_of(self._model), self.name)
        channels, self.side, _ = self._map.shape
        if width > channels:
            raise ConfigError(f"tokens of {self.name} have {channels} numbers, so no {width} of it")
        self.width = width or channels

    def encoder(
        self, *, sketch: bool = False, view: str = "", collection: Collection | None = None
    ) -> Path:
        """Return the folder of the encoder of tokens; see `Backbone`.

        Raises:
            ConfigError: directions are wanted, and there is no collection of photos and sketches.
        """
        spec = self.published.fed(sketch=sketch, view=view)
        if not self.fitted:
            return self._kept("tokens", spec)
        if collection is None:
            raise ConfigError(f"the tokens of {self.name} are fitted to a collection; name one")
        part = f"tokens {self.width} {collection.manifest.sha256}"
        if not sketch and not view:
            return self.published.kept(part, spec, partial(self._fit, spec, collection))
        found = read_directions(self.encoder(collection=collection) / FILE)
        mean = found.sketch if sketch else found.image
        return self._kept(part, spec, mean=mean, matrix=found.matrix)

    def tower(self) -> nn.Module:
        """Return what takes tokens as they are, and their mean for the whole."""
        return Places(self.width, self.side)

    def _kept(self, part: str, spec: Mapping[str, Any], **arrays: Vectors) -> Path:
        return self.published.kept(part, spec, partial(self._write, spec, arrays))

    def _write(
        self, spec: Mapping[str, Any], arrays: Mapping[str, Vectors], out: Path, **files: bytes
    ) -> None:
        """Write an encoder of tokens, reduced by arrays where there are any."""
        channels, side, _ = self._map.shape
        text = _ROWS.format(
            head=HEAD,
            channels=channels,
            side=side,
            places=side * side,
            width=self.width if arrays else channels,
            reduced=_REDUCED if arrays else "",
            last="directed" if arrays else "tokens",
        )
        rows = onnx.parser.parse_model(text)
        rows.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in arrays.items())
        about = {"source": self.name, "map": self._map.tensor, "dtype": str(HALVED)}
        write_encoder(out, self.name, up_to(self._model, self._map, rows), spec, about, files)

    def _fit(self, spec: Mapping[str, Any], collection: Collection, out: Path) -> None:
        """Write the encoder of photos with the directions, from which the others are made."""
        found = fit_directions(
            self._tokens(collection, "image"), self._tokens(collection, "sketch"), self.width
        )
        arrays = {"mean": found.image, "matrix": found.matrix}
        self._write(spec, arrays, out, **{FILE: found.content()})

    def _tokens(self, collection: Collection, field: str) -> torch.Tensor:
        """Encode some photos, or sketches, of the seen classes -> (M, W)."""
        files = [str(f) for item in collection.split("seen") if (f := getattr(item, field))]
        drawn = np.random.default_rng(0).permutation(len(files))[:SAMPLE]
        sources = [Source.image(collection.folder / files[place]) for place in sorted(drawn)]
        spec = self.published.fed(sketch=field == "sketch", view="")
        encoder = load_encoder(self._kept("tokens", spec))
        _, rows = encode_sources(encoder, sources, {})
        if not len(rows):
            raise ConfigError(
                f"tokens of {self.name} are fitted to photos and sketches of seen classes, and "
                f"{collection.folder} has no {field} of them that can be used"
            )
        return torch.from_numpy(rows).flatten(0, 1)


class Places(nn.Module):
    """A `VisionTower` of tokens (B, P, W): they are its states, and their mean is pooled."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.width, self.side = width, side

    def forward(self, rows: torch.Tensor) -> States:
        """Map tokens of 16 bits -> states."""
        tokens = rows.float()
        return States(tokens.mean(1), tokens)
