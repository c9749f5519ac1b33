"""Which tables `cmaan` is trained on, and who makes their rows."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from zscr.data.collection import Collection
from zscr.errors import MismatchError
from zscr.infer.features.listing import VIEW
from zscr.train.methods.alignment.token_transformer import TokenTransformer
from zscr.train.methods.cmaan.config import FROZEN, TOKENS, Config
from zscr.train.methods.contract import Need
from zscr.train.vision.backbone import open_backbone
from zscr.train.vision.tower import Backbone

SKETCH, IMAGE = DOMAINS = ("sketch", "image")
VIEWS = {SKETCH: ("flipped", "affine-1", "affine-2"), IMAGE: ("flipped",)}
EDGES = f"{IMAGE}{VIEW}edges"  # images as sketches
SECOND = {domain: f"{domain}{VIEW}second" for domain in DOMAINS}


def backbone_of(config: Config, domain: str) -> Backbone:
    """Return the pretrained network below the embeddings of a domain.

    Raises:
        MismatchError: it is another than the run was begun with.
    """
    found = _opened(config, domain)
    if config.backbone_sha256 not in ("", found.sha256):
        raise MismatchError(
            f"the run was trained on backbone {config.backbone_sha256[:12]} of {config.backbone}, "
            f"which is now {found.sha256[:12]}; restore it or train anew"
        )
    return found


def _opened(config: Config, domain: str) -> Backbone:
    """Open the network as a domain's rows are made: relations compare places, frozen ones too."""
    kind: str = getattr(config, domain)
    if kind == FROZEN and config.lambda_rn:
        return open_backbone(config.backbone, TOKENS)
    return open_backbone(config.backbone, kind, width=config.width)


def make_tower(config: Config, domain: str) -> nn.Module:
    """Return a fresh tower of a domain, from its rows to states."""
    tower = backbone_of(config, domain).tower()
    if getattr(config, domain) != TOKENS:
        return tower
    return TokenTransformer(tower, config.width, config.layers, config.dropout)


def views_of(domain: str) -> tuple[str, ...]:
    """Return the tables of a domain's rows: the things as they are, then their other views."""
    return (domain, *(f"{domain}{VIEW}{view}" for view in VIEWS[domain]))


def image_needs(config: Config) -> tuple[Need, ...]:
    """Return the tables: sketches and images of classes, other views, images drawn by edges."""
    made = [_need(config, domain, view) for domain in DOMAINS for view in ("", *VIEWS[domain])]
    made += [_edges(config)] if config.edges else []
    return (*made, *(_second(config, domain) for domain in DOMAINS if config.second))


def _need(config: Config, domain: str, view: str) -> Need:
    def encoder(collection: Collection) -> Path:
        backbone = backbone_of(config, domain)
        return backbone.encoder(sketch=domain == SKETCH, view=view, collection=collection)

    return Need(f"{domain}{VIEW}{view}" if view else domain, encoder=encoder)


def _edges(config: Config) -> Need:
    def encoder(collection: Collection) -> Path:
        backbone = backbone_of(config, SKETCH)
        return backbone.encoder(sketch=True, view="edges", collection=collection)

    return Need(EDGES, encoder=encoder)


def _second(config: Config, domain: str) -> Need:
    def encoder(_: Collection) -> Path:
        return second_of(config).encoder(sketch=domain == SKETCH)

    return Need(SECOND[domain], encoder=encoder)


def second_of(config: Config) -> Backbone:
    """Return the second encoder, which stays frozen."""
    return open_backbone(config.second, "frozen")
