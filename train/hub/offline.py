"""A model without asking anybody: what was fetched before, by zscr or by huggingface_hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zscr.cache import require_room
from zscr.errors import ArtefactError, ConfigError
from zscr.lock import work_folder
from zscr.train.hub.choice import choose
from zscr.train.hub.fetch import is_sound
from zscr.train.hub.kept import Wanted, place_of, publish
from zscr.train.hub.library_cache import library_folder, library_listing
from zscr.train.hub.listing import Listing
from zscr.train.hub.name import ModelName
from zscr.train.hub.pins import pinned_commit, write_pin


def without_asking(library: Any, asked: ModelName, wanted: Wanted) -> Path:
    """Return the snapshot of a model that is here, or can be made of the library's cache.

    Raises:
        ConfigError: there is none.
        ArtefactError: the library's cache holds a file that has not the hash by which it is named.
    """
    commit = pinned_commit(asked)
    if commit is not None and (path := place_of(asked, commit, wanted)).exists():
        return path
    listing = library_listing(library, ModelName(asked.repository, commit or asked.revision))
    if listing is None:
        raise _absent(asked, "")
    path = place_of(asked, listing.revision, wanted, "library")
    if not path.exists():
        sources = _sources(library_folder(library, asked), asked, listing, wanted)
        require_room(asked.work)
        with work_folder(asked.work, f"fetching '{asked}'"):
            if not path.exists():
                publish(path, listing, sources)
            if commit is None:
                write_pin(asked, listing.revision)
    return path


def _sources(folder: Path, asked: ModelName, listing: Listing, wanted: Wanted) -> dict[str, Path]:
    """Return the wanted files of the library's cache, each checked by its hash."""
    held = folder / "snapshots" / listing.revision
    try:
        chosen = choose(listing, *wanted, lambda index: (held / index.name).read_bytes())
    except (ConfigError, ArtefactError) as error:
        raise _absent(asked, f"; huggingface_hub has only a part of it: {error}") from error
    for file in chosen:
        if not is_sound(held / file.name, file):
            raise ArtefactError(f"{held / file.name} is damaged: its hash is wrong; remove it")
    return {file.name: held / file.name for file in chosen}


def _absent(asked: ModelName, more: str) -> ConfigError:
    return ConfigError(
        f"'{asked}' was not fetched before, and nobody may be asked for it (--offline or "
        f"HF_HUB_OFFLINE){more}; fetch it with a network first"
    )
