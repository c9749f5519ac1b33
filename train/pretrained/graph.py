"""A tower of a dual encoder as an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from zscr.infer.inputs.make import make_input
from zscr.train.encoders.onnx import trace
from zscr.train.pretrained.samples import TEXTS, images

# What a tower is traced with.
_EXAMPLES: Mapping[str, Sequence[Any]] = {"text": TEXTS[:2], "image": images()[:2]}


def tower_graph(
    module: nn.Module, spec: Mapping[str, Any], outputs: str | Sequence[str], folder: Path
) -> onnx.ModelProto:
    """Trace a module from a tower's inputs.

    Args:
        module: takes the inputs of `spec`, gives rows (B, D), or several for several outputs.
        spec: the manifest's entry of the input; folder: holds the files that it names.
        outputs: names of them.
    """
    feeds = make_input(spec, folder).prepare(_EXAMPLES[spec["field"]]).feeds
    names = [axis if isinstance(axis, str) else None for axis in spec["shape"]]
    axes = {place: axis for place, axis in enumerate(names) if axis}
    graph = trace(
        module,
        {key: torch.from_numpy(array) for key, array in feeds.items()},
        outputs,
        dynamic=dict.fromkeys(feeds, axes),
    )
    graph.producer_name = "zscr"
    return graph
