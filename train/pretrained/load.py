"""From a checkpoint's folder to a dual encoder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from zscr.errors import InputError
from zscr.train.encoders.published import read_object
from zscr.train.pretrained.dual import DualEncoder, ImageFeatures, Published, TextFeatures, Tower
from zscr.train.pretrained.families import Family, family_of
from zscr.train.pretrained.files import hashes_of, weights_of
from zscr.train.pretrained.model import load_config, load_model, outline_of, require_fitting
from zscr.train.pretrained.pixels import Pixels, read_pixels
from zscr.train.pretrained.tokens import Tokens, positions_of, read_tokens, require_vocabulary


def load_dual(source: Path) -> DualEncoder:
    """Load a checkpoint of transformers.

    Raises:
        InputError: it is of an unknown family, or a part is missing or contradicts another.
        MissingExtraError: transformers is not installed.
    """
    described = read_object(source / "config.json")
    if not described:
        raise InputError(f"{source} has no config.json, so it is no checkpoint of transformers")
    family, weights = family_of(described, source), weights_of(source)
    config = load_config(source)
    outline: Any = outline_of(source, config)
    require_fitting(outline.text_model, "text", source)
    require_fitting(outline.vision_model, "image", source)
    tokens = read_tokens(
        source, positions_of(outline.text_model), padded=family.padded, longest=family.longest
    )
    require_vocabulary(tokens, outline.text_model, source)
    pixels = read_pixels(source, side_of(config.vision_config))
    model = load_model(source, config, weights)
    return assembled(family, model, tokens, pixels, hashes_of(source, weights))


def side_of(config: Any) -> int | None:
    """Return the side of the images that a tower takes; None if it takes any."""
    side = getattr(config, "image_size", None)
    return side if isinstance(side, int) else None


def assembled(
    family: Family, model: Any, tokens: Tokens, pixels: Pixels, files: dict[str, str]
) -> DualEncoder:
    """Put a model of transformers together with what feeds it."""
    scale, bias = _scale(model)
    return DualEncoder(
        family.name,
        Tower(TextFeatures(model, tokens.spec["names"]), tokens.spec, tokens.files),
        Tower(ImageFeatures(model), pixels.spec),
        Published(model, tokens, pixels),
        scale,
        bias,
        family.score(scale, bias),
        files,
    )


def _scale(model: Any) -> tuple[float, float | None]:
    """Return what a cosine is multiplied with (ALIGN divides by a number), and what is added."""
    bias = float(model.logit_bias) if hasattr(model, "logit_bias") else None
    if hasattr(model, "temperature"):
        return float(1 / model.temperature), bias
    highest = getattr(model, "max_log_logit_scale", math.inf)
    return float(model.logit_scale.double().clamp(max=highest).exp()), bias
