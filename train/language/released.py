"""Reading released mappers: what Pic2Word, SEARLE and LinCIR saved, and safetensors of the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from torch import nn

from zscr.artefact import hash_file
from zscr.errors import InputError
from zscr.regular import open_regular
from zscr.train.encoders.library import loading_faults
from zscr.train.language.mappers import Im2Text, Phi

IM2TEXT, PHI = "state_dict_img2text", "Phi"  # the entries of a checkpoint that hold a mapper
_WHOLE = "state_dict"  # the dual encoder that Pic2Word's checkpoints hold beside it
_PARALLEL = "module."  # before every name, where several GPUs trained
_TEMPLATES = {"pic2word": "a photo of * , {}"}
_THAT = "a photo of * that {}"  # SEARLE's and LinCIR's, who write $ for the place
_LAYER = re.compile(r"layers\.(\d+)\.0\.weight")
Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Mapper:
    """A mapper that others trained.

    Attributes:
        module: from embeddings (B, `dim`), not normalised, to word vectors (B, `width`).
        method: `pic2word`, `searle` or `lincir`.
        sha256: of the file.
        tower: weights of the dual encoder that it was trained on, where the file holds them.
    """

    module: nn.Module
    method: str
    dim: int
    width: int
    sha256: str
    tower: Tensors

    @property
    def template(self) -> str:
        """The sentence that it was trained for."""
        return _TEMPLATES.get(self.method, _THAT)


def load_mapper(path: Path) -> Mapper:
    """Load a mapper; its sizes are those of its weights.

    Args:
        path: of what `torch.save` wrote, read with `weights_only`, or of safetensors.

    Raises:
        InputError: it holds no such mapper, or one that lacks weights, has others or misfits
            itself.
    """
    content = _content(path)
    entry = next((name for name in (IM2TEXT, PHI) if name in content), None)
    held = _tensors(content if entry is None else content[entry], path)
    layers = _linear(held, path)
    dim, width, middle = layers[0].shape[1], layers[-1].shape[0], layers[0].shape[0]
    with torch.device("meta"):  # the file's own tensors become the weights
        if _is_im2text(held):
            module: nn.Module = Im2Text(dim, width, middle, len(layers) - 1)
            method = "pic2word"
        else:
            module = Phi(dim, width, middle)
            method = "lincir" if "lincir" in path.name.lower() else "searle"
    _fill(module, held, path)
    tower = content.get(_WHOLE) if entry else None
    weights = _tensors(tower, path) if tower else {}
    return Mapper(module.eval().requires_grad_(False), method, dim, width, hash_file(path), weights)


def _content(path: Path) -> Mapping[str, Any]:
    """Read a file's tensors, with names or in entries with names."""
    try:
        with open_regular(path) as file, loading_faults(path, "mapper of word vectors"):
            if path.suffix == ".safetensors":
                return load_safetensors(file.read())
            found = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"the mapper {path} cannot be read ({error})") from error
    if not isinstance(found, Mapping):
        raise InputError(
            f"{path} holds a {type(found).__name__} and no weights with names; take a checkpoint "
            f"of Pic2Word, SEARLE or LinCIR"
        )
    return found


def _tensors(held: Any, path: Path) -> dict[str, torch.Tensor]:
    """Return weights by their names, without what several GPUs put before them."""
    if not isinstance(held, Mapping) or not held:
        raise InputError(f"{path} holds no weights with names; fetch it again")
    for name, value in held.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise InputError(
                f"{path} has {name!a:.60}, a {type(value).__name__}, where a mapper has weights; "
                f"take a checkpoint with the entry {IM2TEXT} or {PHI}"
            )
        if value.is_meta or value.layout is not torch.strided:
            raise InputError(
                f"{name!a:.60} in {path} is sparse or has no numbers; save plain tensors anew"
            )
        if value.untyped_storage().nbytes() < value.nbytes:
            raise InputError(
                f"{name!a:.60} in {path} says to be larger than the file is; fetch it again"
            )
    return {name.removeprefix(_PARALLEL): value for name, value in held.items()}


def _is_im2text(held: Tensors) -> bool:
    return "fc_out.weight" in held


def _linear(held: Tensors, path: Path) -> list[torch.Tensor]:
    """Return the matrices of a mapper in their order."""
    numbers = sorted(int(match[1]) for name in held if (match := _LAYER.fullmatch(name)))
    names = [f"layers.{number}.weight" for number in (0, 3, 6)]
    if _is_im2text(held):
        names = [*(f"layers.{number}.0.weight" for number in numbers), "fc_out.weight"]
    missing = [name for name in names if name not in held]
    if missing or len(names) < 2 or any(held[name].ndim != 2 for name in names):
        known = ", ".join(sorted(held)[:3])
        raise InputError(
            f"{path} is no mapper of a known kind: it has {known}, and neither Pic2Word's "
            f"layers.0.0 and fc_out nor layers.0, layers.3 and layers.6 of SEARLE and LinCIR"
        )
    return [held[name] for name in names]


def _fill(module: nn.Module, held: Tensors, path: Path) -> None:
    """Give a mapper its weights: all that it has, each of its shape, and no others."""
    wanted = module.state_dict()
    for told, names in (
        ("lacks", wanted.keys() - held),
        ("has what no mapper has:", held.keys() - wanted),
    ):
        if names:
            rest = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(f"the mapper {path} {told} {min(names)}{rest}; fetch it again")
    for name, tensor in wanted.items():
        if held[name].shape != tensor.shape:
            raise InputError(
                f"{name} of the mapper {path} is of shape {tuple(held[name].shape)}, and its other "
                f"weights ask for {tuple(tensor.shape)}; fetch it again"
            )
        if not held[name].is_floating_point() or not held[name].isfinite().all():
            raise InputError(f"{name} of the mapper {path} holds no numbers; fetch it again")
    module.load_state_dict({name: held[name].float() for name in wanted}, assign=True)
