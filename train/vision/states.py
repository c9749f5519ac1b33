"""Backbones whose rows are the states of a vision transformer, traced to one graph a depth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import torch
from torch import nn

from zscr.errors import InputError
from zscr.train.encoders.folder import write_encoder
from zscr.train.encoders.onnx import HEAD, require_parity
from zscr.train.pretrained.graph import traced
from zscr.train.vision.cuts import HALVED, inferred, shapes_of, up_to
from zscr.train.vision.folder import Published, kept_part
from zscr.train.vision.frozen import Frozen
from zscr.train.vision.halves import Above, Below, Led
from zscr.train.vision.transformer import Transformer, blocks_of

TOLERANCE = 1e-4  # of a state, relative to the largest where that is over 1
STATES = "states"  # the tensor of them in a graph
_POOLED = """{head}
rows (float[batch, {count}, {width}] all) => (float[batch, {width}] features)
<int64 first = {{0}}> {{ features = Gather <axis = 1> (all, first) }}"""
_HALVED = """{head}
rows (float[batch, {count}, {width}] all) => (float16[batch, {count}, {width}] features) {{
    features = Cast <to = 10> (all)
}}"""


class Resumed(Frozen):
    """A `Backbone` of frozen states, and a tower that goes on from them."""

    def __init__(self, published: Published, make: Callable[[], nn.Module]) -> None:
        super().__init__(published)
        self._make = make

    def tower(self) -> nn.Module:
        """Return a fresh one."""
        return self._make()


def features_of(transformer: Transformer) -> Frozen:
    """Return the frozen transformer: its rows are the states of [CLS] behind the norm (W,)."""
    return Frozen(_features(transformer))


def tokens_of(transformer: Transformer) -> Resumed:
    """Return the frozen transformer with the states of [CLS] and of all patches as rows (1 + P, W).

    The first is what the network itself pools: the mean of patches is of another space, which
    `frozen` and `whole` do not share.
    """
    features = _features(transformer)

    def make(out: Path) -> None:
        model = up_to(features.model, STATES, _behind(features.model, _HALVED))
        about = {"source": transformer.name, "dtype": str(HALVED)}
        write_encoder(out, transformer.name, model, features.spec, about)

    return Resumed(_kept(transformer, "patches", make, str(HALVED)), partial(Led, transformer))


def upper_of(transformer: Transformer, cut: str) -> Resumed:
    """Return the transformer of which the last blocks are trained, on the states below them.

    Args:
        transformer: the network.
        cut: how many of its first blocks stay frozen; empty for half of them.

    Raises:
        InputError: it has not so many.
    """
    count = len(blocks_of(transformer.model))
    depths = {str(depth): depth for depth in range(count)} | {"": count // 2}
    if cut not in depths:
        raise InputError(
            f"cut={cut} of {transformer.name}, a transformer of {count} blocks, says how many of "
            f"the first ones stay frozen; set it to a number from 0 to {count - 1}, or leave it out"
        )
    depth = depths[cut]
    make = partial(_write, transformer, depth)
    published = _kept(transformer, f"lower {depth}", make, str(HALVED))
    return Resumed(published, partial(Above, transformer, depth))


def _features(transformer: Transformer) -> Published:
    return _kept(transformer, "features", partial(_write, transformer, None), "float32")


def _kept(
    transformer: Transformer, part: str, make: Callable[[Path], object], dtype: str
) -> Published:
    """Return an encoder of a transformer's rows, made once."""
    name, sha256, spec = transformer.name, transformer.sha256, transformer.spec
    graph = kept_part(name, sha256, part, spec, make) / "model.onnx"
    return Published(name, sha256, graph, spec, part, dtype)


def _write(transformer: Transformer, depth: int | None, out: Path) -> None:
    """Trace the states behind some blocks, halved, or those behind the norm with [CLS] chosen.

    Raises:
        ParityError: the graph's states differ from torch's by more than rounding.
    """
    model, parity = _traced(transformer, depth)
    rows = _behind(model, _POOLED if depth is None else _HALVED)
    about = {"source": transformer.name, "max_abs_difference_to_torch": parity}
    about |= {} if depth is None else {"dtype": str(HALVED)}
    write_encoder(out, transformer.name, up_to(model, STATES, rows), transformer.spec, about)


def _traced(transformer: Transformer, depth: int | None) -> tuple[onnx.ModelProto, float]:
    """Return the graph from pixels to states, with its largest difference to torch."""
    module = Below(transformer, depth).eval()
    model = inferred(traced(module, [transformer.spec], STATES, Path()))
    [name], side = transformer.spec["names"], transformer.spec["preprocess"]["image_size"]
    noise = np.random.default_rng(0).random((3, 3, side, side), np.float32) * 2 - 1
    with torch.no_grad():
        expected = module(torch.from_numpy(noise)).numpy()
    tolerance = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    return model, require_parity(transformer.name, model, {name: noise}, expected, tolerance)


def _behind(model: onnx.ModelProto, rows: str) -> onnx.ModelProto:
    """Return what makes rows of a graph's states."""
    count, width = shapes_of(model)[STATES]
    return onnx.parser.parse_model(rows.format(head=HEAD, count=count, width=width))
