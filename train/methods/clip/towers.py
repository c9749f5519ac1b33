"""The two towers as the settings say: projections of frozen features, or networks."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from zscr.data.collection import Collection
from zscr.train.encoders.bpe import FILE, bpe_spec, fit_bpe
from zscr.train.encoders.fitted import seen_texts
from zscr.train.encoders.image import pixel_spec
from zscr.train.encoders.raw import raw_pixels, raw_tokens
from zscr.train.methods.clip.config import FROZEN, LOCKED, Config
from zscr.train.methods.clip.image_tower import ImageTower
from zscr.train.methods.clip.pretrained import Initial, initial_towers, pretrained
from zscr.train.methods.clip.projection import Projection
from zscr.train.methods.clip.text_tower import TextTower
from zscr.train.methods.registry import Shapes


def pixels_for(config: Config, collection: Collection) -> Path:
    """Return the raw encoder of a trained image tower."""
    if config.init:
        return raw_pixels(pretrained(config.init).image.spec)
    resize = {"image_size": config.pixels, "resize_shorter_side": config.pixels}
    return raw_pixels(pixel_spec({**resize, "resample": "bilinear"}))


def tokens_for(config: Config, collection: Collection) -> Path:
    """Return the raw encoder of a trained text tower; its vocabulary is of the seen texts."""
    if config.init:
        tower = pretrained(config.init).text
        return raw_tokens(tower.spec, tower.files)
    tokenizer = fit_bpe(seen_texts(collection), config.vocabulary)
    return raw_tokens(bpe_spec(config.length), {FILE: tokenizer})


def make_towers(config: Config, shapes: Shapes) -> tuple[nn.Module, nn.Module, float]:
    """Return the image tower, the text tower and the inverse temperature to begin with.

    Args:
        config: `image` and `text` say what each is; shapes: of one row of each table.
    """
    begun = initial_towers(config.init) if config.init else None
    dim = begun.dim if begun else config.dim
    image, text = (_tower(name, config, shapes[name], dim, begun) for name in ("image", "text"))
    return image, text, begun.logit_scale if begun else 1 / config.temperature


def _tower(
    name: str, config: Config, shape: tuple[int, ...], dim: int, begun: Initial | None
) -> nn.Module:
    kind = getattr(config, name)
    if kind == FROZEN:
        [features] = shape
        return Projection(features, dim, rooted=name == "image", dropout=config.dropout)
    if begun:
        tower: nn.Module = getattr(begun, name)
        return tower.requires_grad_(kind != LOCKED)
    if name == "image":
        return ImageTower(shape[-1], config.width, config.layers, dim)
    [length] = shape
    return TextTower(config.vocabulary, length, config.width, config.layers, dim)
