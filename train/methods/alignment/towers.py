"""Pretrained towers as alignment takes them, and which network a run was begun with."""

from __future__ import annotations

from typing import cast

from torch import nn

from zscr.errors import ConfigError, MismatchError
from zscr.train.methods.alignment.token_transformer import TokenTransformer
from zscr.train.vision.backbone import open_backbone
from zscr.train.vision.tower import Backbone, VisionTower

UPPER, TOKENS, WHOLE, FROZEN = KINDS = ("upper", "tokens", "whole", "frozen")


def pinned(name: str, kind: str, sha256: str, cut: str = "", *, whole: bool = False) -> Backbone:
    """Open the pretrained network that a run was begun with.

    Args:
        name, kind: of the network, and what is trained of it.
        sha256: of the network that the run remembers; empty where it has just begun.
        cut: of `upper`: where it is cut; whole: whether a tower of it is; see `open_backbone`.

    Raises:
        ConfigError: it is gone, or none.
        MismatchError: it is another network.
    """
    try:
        found = open_backbone(name, kind, cut=cut, whole=whole)
    except ConfigError as error:
        if not sha256:
            raise
        raise ConfigError(
            f"the run was trained on backbone {sha256[:12]}: {error}; put it back there, or train "
            f"anew"
        ) from error
    if sha256 not in ("", found.sha256):
        raise MismatchError(
            f"the run was trained on backbone {sha256[:12]} of {name}, which is now "
            f"{found.sha256[:12]}; restore it or train anew"
        )
    return found


def make_tower(backbone: Backbone, kind: str, inner: tuple[int, int, float]) -> nn.Module:
    """Return a fresh tower of states, of which something can be trained unless it is frozen.

    Args:
        backbone: the network; kind: one of `KINDS`.
        inner: of a transformer on tokens: width, layers and dropout.
    """
    tower = backbone.tower()
    return TokenTransformer(cast(VisionTower, tower), *inner) if kind == TOKENS else tower


def map_of(tower: nn.Module) -> tuple[int, int]:
    """Return width and places a side of a tower's states."""
    made = cast(VisionTower, tower)
    return made.width, made.side
