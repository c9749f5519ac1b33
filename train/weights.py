"""Reading a run's tensors: the very bytes that were hashed, and of the model that they are for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from zscr.artefact import Manifest, read_verified
from zscr.errors import ArtefactError


class Restored(Protocol):
    """What has weights: an `nn.Module`, or a method as the loop knows it."""

    def load_state_dict(self, state_dict: Mapping[str, torch.Tensor]) -> Any:
        """Restore them in place."""


def final_weights(body: Mapping[str, Any], folder: Path) -> str:
    """Return what the name of the file with a run's final weights begins with.

    Args:
        body: of the run's manifest; folder: of the run.

    Raises:
        ArtefactError: none are final yet.
    """
    if body.get("adapted"):
        return "adapted."
    if body["refit"] and not body["done"]:
        raise ArtefactError(f"{folder} is not refitted yet; train it further")
    if body["refitting"]:
        return "checkpoint."
    if body["best"] is None:
        raise ArtefactError(f"{folder} has no validated weights yet; train it further")
    return "best."


def only_file(files: Mapping[str, Any], start: str, folder: Path) -> str:
    """Return the name of a run's one file that begins so.

    Raises:
        ArtefactError: there is none.
    """
    names = [name for name in files if name.startswith(start)]
    if len(names) != 1:
        raise ArtefactError(f"{folder} has no {start}*; it was never checkpointed")
    return names[0]


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


def load_weights(method: Restored, tensors: Mapping[str, torch.Tensor], where: Path) -> None:
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
