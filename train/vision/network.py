"""From a name to the pretrained image network that it names, opened once for all that ask."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from zscr.artefact import MANIFEST
from zscr.cache import cache_folder
from zscr.data.sources.archive import opened
from zscr.errors import InputError
from zscr.train.encoders.efficientnet import EFFICIENTNET
from zscr.train.encoders.published import state_of
from zscr.train.encoders.resolve import (
    IMAGE_WEIGHTS,
    converted_image_encoder,
    published_image_encoder,
)
from zscr.train.hub.checkpoint import find_checkpoint, found_here
from zscr.train.hub.snapshot import WEIGHTS
from zscr.train.vision.folder import Published, open_published
from zscr.train.vision.transformer import KNOWN, Transformer, family_of, open_transformer

GRAPH_OR_WEIGHTS = (*IMAGE_WEIGHTS, *WEIGHTS)  # of a hub's model, the first that it has
KEPT = 2  # a backbone and a second encoder; settings, needs and method all ask for them


def open_network(
    name: str, *, whole: bool = False, offline: bool | None = None
) -> Published | Transformer:
    """Return a published graph, or a vision transformer of transformers where there is none.

    Args:
        name: as `--image-encoder` takes it, or of a checkpoint of transformers.
        whole: return a transformer in any case.
        offline: ask no hub.

    Raises:
        ConfigError: nothing of that name is here or can be had.
        InputError, ArtefactError, MissingExtraError: it cannot be opened, or not as `whole`.
    """
    here = found_here(name)
    state = state_of(here) if here else ()  # a hub's name stands for one commit
    # A graph's encoder lies in the cache, which another setting may have moved.
    graph = None if whole else _graph(name, offline, cache_folder(), state)
    # Files here are what they are; of a hub's model a graph would do where none is trained whole.
    weights = WEIGHTS if whole or here else GRAPH_OR_WEIGHTS
    return graph or _transformer(name, weights, offline, state)


@lru_cache(maxsize=KEPT)
def _graph(
    name: str, offline: bool | None, cache: Path, state: tuple[object, ...]
) -> Published | None:
    """Open a published graph; None where there is a checkpoint without one."""
    if name == EFFICIENTNET and not state:
        return open_published(published_image_encoder(name, offline=offline))
    found = find_checkpoint(name, weights=GRAPH_OR_WEIGHTS, offline=offline)
    with opened(found.path) as source:
        if not _has_graph(source) and family_of(source):
            return None
        return open_published(converted_image_encoder(source, found.name))


@lru_cache(maxsize=KEPT)
def _transformer(
    name: str, weights: tuple[str, ...], offline: bool | None, state: tuple[object, ...]
) -> Transformer:
    found = find_checkpoint(name, weights=weights, offline=offline)
    with opened(found.path) as source:
        if _has_graph(source) and family_of(source) not in KNOWN:
            raise InputError(
                f"{name} is an ONNX graph, and 'whole' trains a checkpoint of transformers; set "
                f"'upper' in its place, or 'tokens' or 'frozen', or name such a checkpoint"
            )
        return open_transformer(source, found.name)


def _has_graph(source: Path) -> bool:
    graphs = [*source.glob("*.onnx"), source / "onnx" / "model.onnx", source / MANIFEST]
    return any(path.is_file() for path in graphs)
