"""A model's files at one commit of its repository on a hub, fetched once and checked by hash."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zscr.cache import require_room
from zscr.lock import LOCK, clear, work_folder
from zscr.patience import Patience
from zscr.train.hub.client import Client
from zscr.train.hub.gather import gather
from zscr.train.hub.kept import Snapshot, Wanted, open_snapshot, place_of, publish
from zscr.train.hub.library import import_hub, is_offline
from zscr.train.hub.listing import ask_listing
from zscr.train.hub.name import ModelName, parse_name
from zscr.train.hub.offline import without_asking
from zscr.train.hub.pins import pinned_commit, tell_if_moved, write_pin

DESCRIPTIONS = ("*.json", "*.txt", "*.model")
WEIGHTS = ("*.safetensors",)


def snapshot(
    name: str,
    *,
    patterns: Sequence[str] = DESCRIPTIONS,
    weights: Sequence[str] = WEIGHTS,
    revision: str | None = None,
    offline: bool | None = None,
    patience: Patience | None = None,
) -> Snapshot:
    """Return a model's files, fetched unless they are here already.

    What a branch or tag stands for is asked once and written down: later calls take the same
    commit, and say so if the hub means another by then.

    Args:
        name: of the repository, perhaps with `@revision` behind it.
        patterns: of the small files that are wanted, whatever folder they are in.
        weights: patterns of weights, the best first, at the top or in a stage of
            sentence-transformers (`2_Dense/`), or anywhere by a pattern with `/`. Those of the
            first that there are some of are fetched, in one copy: no `model.fp16.safetensors`
            beside `model.safetensors`. Pickled ones (`*.bin`) only for who reads them with
            `weights_only`. None are wanted if empty.
        revision: a branch, tag or commit; None takes that in the name, else the default branch.
        offline: ask nobody; nor is anybody asked if the environment forbids it (`HF_HUB_OFFLINE`).
        patience: with a hub that fails; None for the usual one.

    Raises:
        ConfigError: there is no such model, or it cannot be had from here; says what to do.
        ArtefactError: what came is not what the hub says, what is here is damaged, or the disk
            refuses.
        MissingExtraError: huggingface_hub is not installed.
    """
    library = import_hub(name)
    asked = parse_name(library, name, revision)
    wanted = Wanted(tuple(patterns), tuple(weights))
    if offline or is_offline(library):
        return open_snapshot(without_asking(library, asked, wanted))
    client = Client(library, asked, patience or Patience())
    if (commit := pinned_commit(asked)) is not None:
        tell_if_moved(client, commit)
        if (path := place_of(asked, commit, wanted)).exists():
            return open_snapshot(path)
    return open_snapshot(_fetched(client, wanted))


def _fetched(client: Client, wanted: Wanted) -> Path:
    """Fetch a snapshot, alone; another process that was waited for may have done so."""
    asked = client.name
    require_room(asked.work)
    with work_folder(asked.work, f"fetching '{asked}'"):
        if (commit := pinned_commit(asked)) is not None:
            client = Client(client.library, ModelName(asked.repository, commit), client.patience)
        listing = ask_listing(client)
        if commit is None:
            write_pin(asked, listing.revision)
        path = place_of(asked, listing.revision, wanted)
        if not path.exists():
            publish(path, listing, gather(client, listing, *wanted, asked.work))
            clear(asked.work, LOCK)
    return path
