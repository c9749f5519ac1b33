"""A module behind the inputs of a dual encoder as an ONNX graph."""

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

# What a graph is traced with.
_EXAMPLES: Mapping[str, Sequence[Any]] = {"text": TEXTS[:2], "image": images()[:2]}


def traced(
    module: nn.Module,
    specs: Sequence[Mapping[str, Any]],
    outputs: str | Sequence[str],
    folder: Path,
) -> onnx.ModelProto:
    """Trace a module.

    Args:
        module: takes the inputs of `specs` in their order, gives rows (B, D), or several such.
        specs: the manifest's entries of the inputs; folder: holds the files that these name.
        outputs: names of what the module gives.
    """
    feeds: dict[str, torch.Tensor] = {}
    dynamic: dict[str, dict[int, str]] = {}
    for spec in specs:
        for key, array in make_input(spec, folder).prepare(_EXAMPLES[spec["field"]]).feeds.items():
            feeds[key] = torch.from_numpy(array)
            axes = enumerate(spec["shape"][: array.ndim])  # a slot has the batch's alone
            dynamic[key] = {place: axis for place, axis in axes if isinstance(axis, str)}
    graph = trace(module, feeds, outputs, dynamic=dynamic)
    graph.producer_name = "zscr"
    return graph
