"""OpenCLIP's own folders: its configuration and its names of weights, as a CLIP of transformers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from zscr.errors import InputError
from zscr.train.encoders.library import loading_faults
from zscr.train.encoders.published import read_object
from zscr.train.pretrained.dual import DualEncoder
from zscr.train.pretrained.families import OPEN_CLIP
from zscr.train.pretrained.files import hashes_of, weights_of
from zscr.train.pretrained.load import assembled
from zscr.train.pretrained.model import (
    eager,
    read_tensors,
    require_all,
    require_fitting,
    transformers,
)
from zscr.train.pretrained.pixels import described
from zscr.train.pretrained.tokens import positions_of, read_tokens, require_vocabulary

CONFIG = "open_clip_config.json"
STEMS = ("open_clip_model", "open_clip_pytorch_model")  # of safetensors, of pickled weights
# What a tower of CLIP's own kind may say, and what each must be if it says it.
_TEXT: Mapping[str, Any] = {"pool_type": "argmax", "no_causal_mask": False, "embed_cls": False}
_IMAGE: Mapping[str, Any] = {"pool_type": "tok", "attentional_pool": False, "no_ln_pre": False}
_SIZES = {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio", "head_width"}
_SIZES |= {"image_size", "patch_size"}
_MODES = {"nearest": 0, "bilinear": 2, "bicubic": 3}
# Names of OpenCLIP -> names of transformers; the blocks' are the same in both towers.
_BLOCK = {
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_WHOLE = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
}
_PROJECTIONS = {"visual.proj": "visual_projection", "text_projection": "text_projection"}
_IN_BLOCK = re.compile(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+)\.?(weight|bias)")


def load_open_clip(source: Path) -> DualEncoder:
    """Load a folder that OpenCLIP saved, if both of its towers are CLIP's own kind.

    Raises:
        InputError: a tower is of another kind, or a part is missing or contradicts another.
    """
    content = read_object(source / CONFIG)
    with loading_faults(source, f"folder whose {CONFIG} describes a model"):
        config = _config(content["model_cfg"], source)
    weights = weights_of(source, *STEMS)
    clip = transformers().CLIPModel
    with loading_faults(source), torch.device("meta"):
        outline = clip(config)
    require_fitting(outline.text_model, "text", source)
    require_fitting(outline.vision_model, "image", source)
    tokens = read_tokens(source, positions_of(outline.text_model))
    require_vocabulary(tokens, outline.text_model, source)
    pixels = described(_processor(content, source), source, config.vision_config.image_size)
    with loading_faults(source):
        renamed = _renamed(read_tensors(weights))
        model, report = clip.from_pretrained(
            None,
            config=config,
            state_dict=renamed,
            attn_implementation="eager",
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    require_all(report, source)
    return assembled(OPEN_CLIP, eager(model), tokens, pixels, hashes_of(source, weights))


def _config(described: Any, source: Path) -> Any:
    """Return transformers' configuration of the model that OpenCLIP describes."""
    text, image = described["text_cfg"], described["vision_cfg"]
    _require_known("text", text, _TEXT, source)
    _require_known("image", image, _IMAGE, source)
    act = "quick_gelu" if described.get("quick_gelu") else "gelu"
    heads = image["width"] // image.get("head_width", 64)
    return transformers().CLIPConfig(
        projection_dim=described["embed_dim"],
        text_config=_tower(text, text["heads"], act)
        | {
            "vocab_size": text["vocab_size"],
            "max_position_embeddings": text["context_length"],
            "eos_token_id": 2,  # the end is the highest id, as transformers then looks for it
        },
        vision_config=_tower(image, heads, act)
        | {"image_size": image["image_size"], "patch_size": image["patch_size"]},
    )


def _require_known(
    name: str, tower: Mapping[str, Any], fixed: Mapping[str, Any], source: Path
) -> None:
    """Refuse a tower that is not CLIP's own, by the first setting that says so."""
    for key, value in tower.items():
        if key in _SIZES and isinstance(value, int | float):  # a ResNet has a list of layers
            continue
        if key in fixed and value == fixed[key]:
            continue
        raise InputError(
            f"the {name} tower of {source} has {key} {value!a:.60}, so it is not CLIP's own kind, "
            f"and OpenCLIP's other towers (timm's, as in MobileCLIP, and hubs' text models) cannot "
            f"be converted; take a checkpoint in the form of transformers"
        )


def _tower(described: Mapping[str, Any], heads: int, activation: str) -> dict[str, Any]:
    width = described["width"]
    return {
        "hidden_size": width,
        "num_hidden_layers": described["layers"],
        "num_attention_heads": heads,
        "intermediate_size": int(width * described.get("mlp_ratio", 4.0)),
        "hidden_act": activation,
    }


def _processor(content: Mapping[str, Any], source: Path) -> Any:
    """Return the image processor that OpenCLIP's preprocessing is."""
    how: Any = content.get("preprocess_cfg")
    side = content["model_cfg"]["vision_cfg"]["image_size"]
    try:
        mean, std = list(how["mean"]), list(how["std"])
        mode, resample = how.get("resize_mode", "shortest"), how.get("interpolation", "bicubic")
        square = {"shortest": False, "squash": True}[mode]
        number = _MODES[resample]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{source / CONFIG} does not say how images become pixels (preprocess_cfg: {error!r}), "
            f"or not in a known way; add it"
        ) from error
    return transformers().CLIPImageProcessorPil(
        size={"height": side, "width": side} if square else {"shortest_edge": side},
        do_center_crop=not square,
        crop_size=side,
        resample=number,
        image_mean=mean,
        image_std=std,
    )


def _renamed(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give weights the names of transformers; what has none keeps its own, and is refused then."""
    found: dict[str, torch.Tensor] = {}
    for name, tensor in weights.items():
        own = name.removeprefix("text.")
        if own in _PROJECTIONS:  # kept as the matrix that rows are multiplied with
            found[f"{_PROJECTIONS[own]}.weight"] = tensor.T.contiguous()
        elif match := _IN_BLOCK.fullmatch(own):
            found |= _block(match, tensor)
        elif own != "attn_mask":
            found[_WHOLE.get(own, own)] = tensor
    return found


def _block(match: re.Match[str], tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    """Rename a weight of a block; the query's, key's and value's lie in one tensor."""
    tower = "vision_model" if match[1] else "text_model"
    prefix, part = f"{tower}.encoder.layers.{match[2]}", match[3].rstrip("._")
    if part == "attn.in_proj":
        parts = zip("qkv", tensor.chunk(3), strict=True)
        return {f"{prefix}.self_attn.{one}_proj.{match[4]}": rows.clone() for one, rows in parts}
    return {f"{prefix}.{_BLOCK.get(part, part)}.{match[4]}": tensor}
