"""Loading a checkpoint's weights: all that the model has, and nothing drawn at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from zscr.errors import InputError
from zscr.train.encoders.library import library, loading_faults
from zscr.train.pretrained.files import Weights

PURPOSE = "converting a pretrained model"
LARGEST = (1 << 31) - (64 << 20)  # bytes of one ONNX file's weights; protocol buffers end at 2 GiB
_BUFFER = "position_ids"  # 0, 1, 2, …, which older checkpoints hold among their weights


def transformers() -> Any:
    """Return transformers.

    Raises:
        MissingExtraError: it is not installed.
    """
    return library(PURPOSE)


def load_config(source: Path) -> Any:
    """Read the configuration of a folder."""
    with loading_faults(source):
        return transformers().AutoConfig.from_pretrained(
            source, trust_remote_code=False, local_files_only=True
        )


def load_model(
    source: Path, config: Any, weights: Weights, *, unused: Sequence[str] = ()
) -> nn.Module:
    """Load a folder's model in float32.

    Args:
        source: of the checkpoint; config: its configuration.
        weights: its files.
        unused: what the names of weights begin with that may be missing, or more than is known.

    Raises:
        InputError: it lacks weights, has others, or one is of another shape than its configuration
            says; transformers would draw what is missing at random.
    """
    with loading_faults(source):
        model, report = transformers().AutoModel.from_pretrained(
            source,
            config=config,
            use_safetensors=weights.safe,
            weights_only=True,
            dtype=torch.float32,
            attn_implementation="eager",  # plain matrix products, which every ONNX runtime has
            ignore_mismatched_sizes=True,  # they are in the report
            output_loading_info=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    require_all(report, source, unused)
    return eager(model)


def eager(model: nn.Module) -> nn.Module:
    """Return a model that is only evaluated."""
    return model.eval().requires_grad_(False)


def read_tensors(weights: Weights) -> dict[str, torch.Tensor]:
    """Read files of weights; of pickled ones, tensors alone."""
    found: dict[str, torch.Tensor] = {}
    for file in weights.files:
        if weights.safe:
            found |= load_file(file)
        else:
            found |= torch.load(file, map_location="cpu", weights_only=True)
    return found


def require_all(report: Mapping[str, Any], source: Path, unused: Sequence[str] = ()) -> None:
    """Refuse a checkpoint whose weights are not those of its configuration; see `load_model`."""
    for name, *shapes in sorted(report["mismatched_keys"]):
        held, wanted = (tuple(shape) for shape in shapes)
        raise InputError(
            f"{name} of {source} is of shape {held}, but its configuration says {wanted}; fetch "
            f"both again"
        )
    missing = sorted(n for n in report["missing_keys"] if not n.startswith(tuple(unused)))
    more = (one for one in report["unexpected_keys"] if not one.startswith(tuple(unused)))
    foreign = sorted(one for one in more if not one.endswith(_BUFFER))
    for names, told in ((missing, "lacks"), (foreign, "has weights that its family has not:")):
        if names:
            rest = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(
                f"{source} {told} {names[0]}{rest}, so its embeddings would mean nothing; take "
                f"a whole checkpoint"
            )


def outline_of(source: Path, config: Any) -> nn.Module:
    """Return a model without its weights, of which shapes can be asked before they are read."""
    with loading_faults(source), torch.device("meta"):
        model: nn.Module = transformers().AutoModel.from_config(config, trust_remote_code=False)
    return model


def require_fitting(module: nn.Module, tower: str, source: Path) -> None:
    """Refuse a module of more weights than one ONNX file holds."""
    size = sum(4 * weights.numel() for weights in module.parameters())
    if size > LARGEST:
        raise InputError(
            f"the {tower} tower of {source} has {size / (1 << 30):.1f} GiB of weights, and one "
            f"ONNX file holds less than 2; take a smaller model of its family"
        )
