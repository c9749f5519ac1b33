"""Reading a run's tensors: the very bytes that were hashed, and of the model that they are for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from zscr.artefact import Manifest, read_verified
from zscr.errors import ArtefactError
from zscr.train.methods.contract import Method


def read_tensors(
    folder: Path, files: Mapping[str, Any], name: str, device: torch.device | str
) -> dict[str, torch.Tensor]:
    """Read the tensors of one of a run's files.

    Raises:
        ArtefactError: it is damaged, or no safetensors.
    """
    raw = bytes(read_verified(folder, Manifest("run", files, {}, ""), name))
    try:
        return {key: tensor.to(device) for key, tensor in load(raw).items()}
    except SafetensorError as error:
        raise ArtefactError(
            f"{folder / name} is no file of safetensors ({error}); train the run anew"
        ) from error


def load_weights(method: Method, tensors: Mapping[str, torch.Tensor], where: Path) -> None:
    """Restore a method's weights in place.

    Raises:
        ArtefactError: they are those of another model.
    """
    try:
        method.load_state_dict(tensors)
    except RuntimeError as error:
        why = " ".join(str(error).split())
        raise ArtefactError(
            f"the weights of {where} are of another model than its settings ({why:.200}); train "
            f"it anew"
        ) from error
