"""Which tables `cmaan` is trained on, and who makes their rows."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from zscr.data.collection import Collection
from zscr.infer.features.table_names import VIEW, second_of
from zscr.infer.inputs.views import EDGES
from zscr.train.methods.alignment.towers import FROZEN, TOKENS, WHOLE, make_tower, pinned
from zscr.train.methods.cmaan.config import Config
from zscr.train.methods.contract import Need
from zscr.train.vision.tower import Backbone

SKETCH, IMAGE = DOMAINS = ("sketch", "image")
VIEWS = {SKETCH: ("flipped", "affine-1", "affine-2"), IMAGE: ("flipped",)}
DRAWN = f"{IMAGE}{VIEW}{EDGES}"  # images as sketches
SECOND = {domain: second_of(domain) for domain in DOMAINS}


def backbone_of(config: Config, domain: str) -> Backbone:
    """Return the pretrained network below the embeddings of a domain.

    A frozen one has its map as rows where relations are learnt: they compare places.

    Raises:
        MismatchError: it is another than the run was begun with.
    """
    kind = config.kind_of(domain)
    known, whole = config.backbone_sha256, WHOLE in (config.sketch, config.image)
    if kind == FROZEN and config.lambda_rn:
        return pinned(config.backbone, TOKENS, known, whole=whole)
    return pinned(config.backbone, kind, known, config.cut, whole=whole)


def tower_of(config: Config, domain: str) -> nn.Module:
    """Return a fresh tower of a domain, from its rows to states."""
    inner = (config.width, config.layers, config.dropout)
    return make_tower(backbone_of(config, domain), config.kind_of(domain), inner)


def views_of(config: Config, domain: str) -> tuple[str, ...]:
    """Return the tables of a domain's rows: the things as they are, then their other views."""
    others = VIEWS[domain] if config.views else ()
    return (domain, *(f"{domain}{VIEW}{view}" for view in others))


def image_needs(config: Config) -> tuple[Need, ...]:
    """Return the tables: sketches and images of classes, other views, images drawn by edges."""
    made = [
        _need(config, domain, table) for domain in DOMAINS for table in views_of(config, domain)
    ]
    made += [_edges(config)] if config.edges else []
    return (*made, *(_second(config, domain) for domain in DOMAINS if config.second))


def _need(config: Config, domain: str, table: str) -> Need:
    _, _, view = table.partition(VIEW)

    def encoder(_: Collection) -> Path:
        return backbone_of(config, domain).encoder(sketch=domain == SKETCH, view=view)

    return Need(table, encoder=encoder)


def _edges(config: Config) -> Need:
    def encoder(_: Collection) -> Path:
        # Prepared as the photo that it is: a sheet of paper is not looked for before it is drawn.
        return backbone_of(config, SKETCH).encoder(view=EDGES)

    return Need(DRAWN, encoder=encoder)


def _second(config: Config, domain: str) -> Need:
    def encoder(_: Collection) -> Path:
        return second_backbone(config).encoder(sketch=domain == SKETCH)

    return Need(SECOND[domain], encoder=encoder)


def second_backbone(config: Config) -> Backbone:
    """Return the second encoder, which stays frozen.

    Raises:
        MismatchError: it is another than the run was begun with.
    """
    return pinned(config.second, FROZEN, config.second_sha256)
