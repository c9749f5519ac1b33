"""Vision transformers of others: ViT, DeiT, DINOv2 (with registers, too), and CLIP's image tower.

All of them end in a token of the whole image ([CLS]), perhaps some of no meaning (registers), and
one for each square patch, row after row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zscr.artefact import dump_json, hash_bytes
from zscr.errors import InputError
from zscr.train.encoders.library import loading_faults
from zscr.train.encoders.published import read_object
from zscr.train.pretrained.files import hashes_of, weights_of
from zscr.train.pretrained.folder import open_dual
from zscr.train.pretrained.load import side_of
from zscr.train.pretrained.model import load_config, load_model, outline_of, require_fitting
from zscr.train.pretrained.open_clip import CONFIG
from zscr.train.pretrained.pixels import read_pixels

# By the `model_type` of transformers: whether places are for images of any size.
_ALONE = {
    "vit": False,
    "deit": False,
    "clip_vision_model": False,
    "dinov2": True,
    "dinov2_with_registers": True,
}
_DUAL = "clip"
KNOWN = (*_ALONE, _DUAL)
# What is behind the last states, which nothing here reads.
_UNUSED = (
    "pooler.",
    "classifier.",
    "cls_classifier.",
    "distillation_classifier.",
    "visual_projection.",
)


@dataclass(frozen=True)
class Transformer:
    """A vision transformer with what feeds it.

    Attributes:
        name: short name for files and messages; sha256: of all its files.
        model: transformers' own, with the output `last_hidden_state`.
        spec: the manifest's entry of an input of images.
    """

    name: str
    sha256: str
    model: Any
    spec: Mapping[str, Any]

    @property
    def side(self) -> int:
        """How many patches there are in a row."""
        return int(self.spec["preprocess"]["image_size"]) // patch_of(self.model.config)

    @property
    def width(self) -> int:
        """Of a state."""
        return int(self.model.config.hidden_size)


def family_of(source: Path) -> str:
    """Return what a folder says that its checkpoint is, empty where it is none of transformers."""
    described = read_object(source / "config.json").get("model_type") or ""
    return _DUAL if not described and (source / CONFIG).is_file() else str(described)


def open_transformer(source: Path, name: str) -> Transformer:
    """Load a vision transformer.

    Args:
        source: its folder; name: short name for files and messages.

    Raises:
        InputError: it is of no known kind, or a part is missing or contradicts another.
        MissingExtraError: transformers is not installed.
    """
    kind = family_of(source)
    if kind in _ALONE:
        return _alone(source, name, sized=_ALONE[kind])
    if kind == _DUAL or (source / CONFIG).is_file():
        return _of_dual(source, name)
    if not kind:
        raise InputError(
            f"{name} has no config.json at its top that names a family, so it is no checkpoint of "
            f"transformers; name a folder that holds one"
        )
    raise InputError(
        f"{name} is of the family {kind!a:.60}, which is not known as a vision transformer; known "
        f"are {', '.join(KNOWN)} and OpenCLIP's own folders"
    )


def last_states(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Map scaled pixels (B, 3, S, S) to the states behind a network's norm (B, N, W)."""
    states: torch.Tensor = model(pixel_values=pixels).last_hidden_state
    if hasattr(model, "post_layernorm"):  # CLIP's states are before its norm
        states = model.post_layernorm(states)
    return states


def norm_of(model: Any) -> nn.Module:
    """Return the norm behind a network's blocks."""
    norm: nn.Module = getattr(model, "post_layernorm", None) or model.layernorm
    return norm


def blocks_of(model: Any) -> nn.ModuleList:
    """Return a network's blocks, in order: the one list of modules of its depth."""
    depth = int(model.config.num_hidden_layers)
    lists = (part for part in model.modules() if isinstance(part, nn.ModuleList))
    return next(part for part in lists if len(part) == depth)


def patch_of(config: Any) -> int:
    """Return the side of a patch in pixels, which a configuration has once or for both sides.

    Raises:
        InputError: they differ.
    """
    patch = config.patch_size
    sides = {*patch} if isinstance(patch, list | tuple) else {patch}
    if len(sides) != 1:
        raise InputError(
            f"patches of {patch[1]}x{patch[0]} pixels are no squares; use another model"
        )
    return int(sides.pop())


def _alone(source: Path, name: str, *, sized: bool) -> Transformer:
    config, weights = load_config(source), weights_of(source)
    require_fitting(outline_of(source, config), "image", source)
    pixels = read_pixels(source, None if sized else side_of(config))
    model: Any = load_model(source, config, weights, unused=_UNUSED)
    if hasattr(model, "pooler"):
        model.pooler = None
    if sized:
        with loading_faults(source):
            _fit_places(model, pixels.spec["preprocess"]["image_size"])
    return _made(name, hashes_of(source, weights), model, pixels.spec)


def _of_dual(source: Path, name: str) -> Transformer:
    """Take the image tower of a CLIP."""
    dual = open_dual(source)
    module: Any = dual.image.module
    return _made(name, dual.files, module.model.vision_model, dual.image.spec)


def _made(name: str, files: Mapping[str, str], model: Any, spec: Mapping[str, Any]) -> Transformer:
    model.set_attn_implementation("sdpa")  # in one kernel where there is one
    return Transformer(name, hash_bytes(dump_json(dict(files))), model, spec)


@torch.no_grad()
def _fit_places(model: Any, side: int) -> None:
    """Enlarge or reduce a table of places once, which DINOv2 otherwise does at every step."""
    embeddings = model.embeddings
    patches = (side // patch_of(model.config)) ** 2
    tokens = torch.zeros(1, 1 + patches, int(model.config.hidden_size))
    places = embeddings.interpolate_pos_encoding(tokens, side, side)
    embeddings.position_embeddings = nn.Parameter(places.clone(), requires_grad=False)
