"""A model's files at one commit of its repository on a hub, fetched once and checked by hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zscr.artefact import SCHEMA, dump_json, hash_bytes, read_manifest, staged, verify
from zscr.cache import require_room
from zscr.errors import ConfigError
from zscr.lock import LOCK, clear, work_folder
from zscr.schema import maybe, record, text
from zscr.train.hub.at_hand import link_or_copy
from zscr.train.hub.client import Client, Patience
from zscr.train.hub.gather import gather
from zscr.train.hub.library import import_hub, is_offline
from zscr.train.hub.listing import Listing, ask_listing
from zscr.train.hub.name import ModelName, inner_name, parse_name
from zscr.train.hub.pins import pinned_commit, tell_if_moved, write_pin

DESCRIPTIONS = ("*.json", "*.txt", "*.model")
WEIGHTS = ("*.safetensors",)
_BODY = record({"name": text(200), "revision": text(40), "licence": maybe(text(200))})


@dataclass(frozen=True)
class Snapshot:
    """Files of a repository, whole and checked.

    Attributes:
        folder: holds them, under the names that they have there, and nothing else.
        name: of the repository, such as `openai/clip-vit-base-patch32`.
        revision: the commit, 40 hex digits.
        licence: as its authors state it; None if they do not.
        files: name -> sha256, of each.
    """

    folder: Path
    name: str
    revision: str
    licence: str | None
    files: Mapping[str, str]


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
    wanted, commit = (tuple(patterns), tuple(weights)), pinned_commit(asked)
    if offline or is_offline(library):
        if commit is None or not _place(asked, commit, wanted).exists():
            raise ConfigError(
                f"'{asked}' was not fetched before, and nobody may be asked for it (--offline or "
                f"HF_HUB_OFFLINE); fetch it with a network first"
            )
        return _opened(_place(asked, commit, wanted))
    client = Client(library, asked, patience or Patience())
    if commit is not None:
        tell_if_moved(client, commit)
        if _place(asked, commit, wanted).exists():
            return _opened(_place(asked, commit, wanted))
    return _opened(_fetched(client, wanted))


def _fetched(client: Client, wanted: tuple[Sequence[str], Sequence[str]]) -> Path:
    """Fetch a snapshot, alone; another process that was waited for may have done so."""
    asked = client.name
    require_room(work := asked.folder / ".fetching")
    with work_folder(work, f"fetching '{asked}'"):
        if (commit := pinned_commit(asked)) is not None:
            client = Client(client.library, ModelName(asked.repository, commit), client.patience)
        listing = ask_listing(client)
        if commit is None:
            write_pin(asked, listing.revision)
        path = _place(asked, listing.revision, wanted)
        if not path.exists():
            _publish(path, listing, gather(client, listing, *wanted, work))
            clear(work, LOCK)
    return path


def _publish(path: Path, listing: Listing, brought: Mapping[str, Path]) -> None:
    with staged(path, "snapshot") as stage:
        inner = stage.folder / inner_name(listing.name, listing.revision)
        for name, source in brought.items():
            target = inner / name
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(source, target)
        stage.body |= {"name": listing.name, "revision": listing.revision}
        stage.body["licence"] = listing.licence


def _place(asked: ModelName, commit: str, wanted: tuple[Sequence[str], Sequence[str]]) -> Path:
    """Return where a commit's files of one choice are, as this version of the format has them."""
    choice = hash_bytes(dump_json([SCHEMA, *wanted]))
    return asked.folder / f"{commit[:12]}-{choice[:8]}"


def _opened(path: Path) -> Snapshot:
    """Read a snapshot, every byte of which is checked."""
    manifest = read_manifest(path, "snapshot", _BODY)
    verify(path, manifest)
    about, revision = manifest.body, manifest.body["revision"]
    inner = inner_name(about["name"], revision)
    files = {name.removeprefix(f"{inner}/"): e["sha256"] for name, e in manifest.files.items()}
    return Snapshot(path / inner, about["name"], revision, about["licence"], files)
