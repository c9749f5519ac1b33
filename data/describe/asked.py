"""Describes the classes of a collection that a model may be trained on, and stores what is said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zscr.data.collection import Collection
from zscr.data.describe.asking import Asker, Tally, key_of
from zscr.data.describe.chat import Chat
from zscr.data.describe.checks import Checks
from zscr.data.describe.endpoint import Endpoint
from zscr.data.describe.given import read_given
from zscr.data.describe.journal import Journal
from zscr.data.describe.outcome import answered, outcome_of, require_answers, tell_outcome
from zscr.data.describe.prompts import questions
from zscr.data.describe.stored import require_free, write_descriptions
from zscr.data.describe.trained import TRAINED, listed, require_described
from zscr.disk import disk_faults, require_writable
from zscr.errors import ArtefactError, InputError
from zscr.lock import writer_lock
from zscr.patience import Patience
from zscr.progress import progress, say

CACHE = "answers"  # the folder in a collection in which answers are kept as they come


@dataclass(frozen=True)
class Asking:
    """How an endpoint is asked: with how much patience, and how many questions at a time."""

    patience: Patience = Patience(timeout=60.0)
    parallel: int = 4


def ask_descriptions(
    collection: Collection,
    endpoint: Endpoint,
    prompts: Mapping[str, str],
    asking: Asking,
    *,
    replace: bool = False,
) -> Path:
    """Ask an endpoint each prompt of each seen and validation class, and store the answers.

    Answers are kept in the collection's folder `answers/` as they come: the same call goes on where
    another one ended, and asks nothing twice.

    Returns:
        The folder of the descriptions.

    Raises:
        MissingExtraError: the extra `describe` is not installed.
        ArtefactError: the collection has descriptions, and they are not to be replaced.
        InputError: the endpoint refuses, or answers no more; or a class got no answer to keep.
    """
    require_free(collection.folder, replace=replace)
    chat, checks = Chat(endpoint, asking.patience), Checks(collection)
    keys = {question: key_of(endpoint, question) for question in questions(collection, prompts)}
    with _cache(collection.folder) as journal:
        there = answered(keys, journal, checks)
        lacking = [question for question in keys if question not in there]
        with progress(f"asking {endpoint.model}", len(keys), len(there)) as bar:
            asker = Asker(chat, checks, journal, asking.patience, bar)
            with _kept(collection.folder, asker.tally, len(there), len(keys)):
                asyncio.run(asker.ask_all(lacking, min(asking.parallel, len(lacking))))
                require_answers(keys, asker.tally.refused)
        outcome = outcome_of(answered(keys, journal, checks), checks)
        _tell(asker.tally, asking.patience)
        tell_outcome(outcome, asker.tally.kept, len(there))
        fields = {**_of_endpoint(endpoint), "prompts": dict(prompts), **_dated()}
        fields |= {"cut": outcome.cut, "named": outcome.named}
        fields |= {"refused": len(asker.tally.refused)}
        return write_descriptions(collection.folder, outcome.answers, fields)


def import_descriptions(collection: Collection, path: Path, *, replace: bool = False) -> Path:
    """Store the descriptions of a file as `read_given` reads it; return their folder.

    Raises:
        ArtefactError: the collection has descriptions, and they are not to be replaced.
        InputError, CollectionError: as `read_given`; or a class has no sentence.
    """
    require_free(collection.folder, replace=replace)
    given = read_given(path, collection)
    given.tell(path, collection.classes)  # first, as a class may have lost all that it had
    require_described(collection, TRAINED, given.answers, str(path))
    fields: dict[str, Any] = {"source": "file", "file_sha256": given.sha256, "prompts": {}}
    fields |= {"cut": len(given.cut), "refused": len(given.leaks), **_dated()}
    return write_descriptions(collection.folder, given.answers, fields)


@contextmanager
def _cache(collection: Path) -> Iterator[Journal]:
    """Hold the answers of a collection alone."""
    folder = collection / CACHE
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        kind = "a link" if folder.is_symlink() else "a file"
        raise ArtefactError(f"{folder} is {kind}, and no folder of zscr's own; remove that name")
    require_writable(folder)
    with disk_faults(folder):
        folder.mkdir(exist_ok=True)
    with writer_lock(folder), Journal(folder / "answers.jsonl") as journal:
        yield journal


@contextmanager
def _kept(collection: Path, tally: Tally, done: int, total: int) -> Iterator[None]:
    """Say of work that is cut short what of it is kept, and how it goes on."""
    try:
        yield
    except (InputError, KeyboardInterrupt) as error:
        said = (
            f"{done + tally.kept} of {total} answers are kept in {collection / CACHE}, and the "
            f"same command goes on from there"
        )
        if isinstance(error, InputError):
            raise InputError(f"{error}; {said}") from error
        say(said)
        raise


def _tell(tally: Tally, patience: Patience) -> None:
    """Say what went wrong on the way, and which questions are left out."""
    if tally.again:
        say(f"{tally.again} answers could not be kept and were asked for again")
    if faults := tally.passed.total():
        say(f"the endpoint had {faults} faults, after which it was asked again")
    if tally.refused:
        rows = [f"{one.class_id} {one.prompt} ({why})" for one, why in tally.refused]
        say(
            f"{len(rows)} questions got no answer that can be kept in {patience.tries} tries, and "
            f"are left out: {listed(rows)}"
        )


def _of_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """Return what the descriptions' manifest says of who was asked; nothing secret."""
    return {
        "source": "endpoint",
        "model": endpoint.model,
        "base_url": endpoint.address,
        "temperature": endpoint.temperature,
        "seed": endpoint.seed,
    }


def _dated() -> dict[str, str]:
    return {"date": datetime.now(UTC).date().isoformat()}
