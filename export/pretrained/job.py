"""`zscr export clip:NAME` as one job: fetch, load, export, and choose for `zscr find`."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from zscr.data.sources.archive import opened
from zscr.errors import ArtefactError, ConfigError
from zscr.export.pretrained.bundle import Origin, export_dual
from zscr.export.pretrained.composed import composer_of
from zscr.export.pretrained.place import made_at, require_place
from zscr.export.words import Words
from zscr.infer.bundle import Bundle
from zscr.infer.models.installed import choose_model, chosen_model, models_folder
from zscr.progress import say
from zscr.train.hub.checkpoint import Checkpoint, find_checkpoint
from zscr.train.hub.snapshot import DESCRIPTIONS
from zscr.train.pretrained.card import NAME as CARD
from zscr.train.pretrained.card import read_card
from zscr.train.pretrained.folder import open_dual

_WEIGHTS = ("*.safetensors", "*.bin")  # pickled ones are read with `weights_only`


def export_pretrained(
    name: str,
    out: Path | None = None,
    *,
    text_tower: str | None = None,
    mapper: Path | None = None,
    template: str | None = None,
    words: Words | None = None,
    offline: bool | None = None,
) -> Bundle:
    """Write the bundle of a pretrained dual encoder; return one of the same files that is there.

    Args:
        name: a folder, or a model of a hub, perhaps with `@revision`.
        out: the bundle's folder. None makes it one of the user's own models, by the last part of
            the name, and the one of `zscr find` if there is none yet.
        text_tower: a folder or hub name, whose texts are embedded into the space of the images.
        mapper: the file of a mapper from its images to words of its texts, of Pic2Word, SEARLE or
            LinCIR: then an image and a text are one query.
        template: the sentence that such a text is put into; None is the mapper's own.
        words: that compositions are made with; None are zscr's own.
        offline: ask no hub.

    Raises:
        ArtefactError: something else is at `out`, or it cannot be written.
        ConfigError: nothing of that name is here or can be had.
        InputError: it is no dual encoder of a known kind, a part of it is missing, or the mapper is
            none or of another model.
        ParityError: a graph differs from what the authors' code computes; nothing is written.
    """
    require_place(out)
    found = [_found(one, offline) for one in (name, text_tower) if one is not None]
    parts = [*map(_short, found), *([mapper.stem] if mapper else [])]
    place = out or models_folder() / "-with-".join(parts)
    with ExitStack() as held:
        folders = [held.enter_context(opened(one.path)) for one in found]
        dual = open_dual(*folders)
        composer = composer_of(dual, name, mapper, template) if mapper else None
        made_of: dict[str, Any] = {"files": dict(dual.files)}
        made_of |= {"mapper": composer.about if composer else None}
        made_of |= {"words": words.files if words else None}
        origin = _origin(name, found[0], folders[0])
        bundle = made_at(place, made_of, partial(export_dual, dual, place, origin, composer, words))
    if out is None:
        _choose(bundle)
    return bundle


def _found(name: str, offline: bool | None) -> Checkpoint:
    return find_checkpoint(name, patterns=(*DESCRIPTIONS, CARD), weights=_WEIGHTS, offline=offline)


def _short(found: Checkpoint) -> str:
    """Return the last part of a model's name, also of a folder that is named `.`."""
    return found.name if found.snapshot else found.path.resolve().name.removesuffix(".zip")


def _origin(name: str, found: Checkpoint, folder: Path) -> Origin:
    card, snapshot = read_card(folder), found.snapshot
    if snapshot is None:
        return Origin(str(found.path.resolve()), None, card.licence, card.languages)
    licence = snapshot.licence or card.licence
    return Origin(snapshot.name, snapshot.revision, licence, card.languages)


def _choose(bundle: Bundle) -> None:
    """Let `zscr find` use a model if it has none, or one that is gone or damaged."""
    try:
        chosen = chosen_model()
    except (ArtefactError, ConfigError):
        chosen = None
    if chosen is None:
        choose_model(bundle.name)
        say(f"'zscr find' uses {bundle.name} from now on; 'zscr models use NAME' changes that")
