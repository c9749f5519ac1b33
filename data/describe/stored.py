"""The descriptions of a collection's classes: an artefact of their own in the collection's folder.

They are not in the collection's manifest, so that runs and features that were made of it stay
valid. A file's name holds its hash, and replacing the manifest is what replaces the descriptions:
a kill leaves the old ones or the new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.artefact import (
    Manifest,
    dump_json,
    file_entry,
    hash_bytes,
    read_manifest,
    read_verified,
    staged,
    write_manifest,
)
from zscr.data.describe.given import Answers
from zscr.data.describe.sentence import LETTERS, PROMPT
from zscr.disk import remove_or_tell
from zscr.errors import ArtefactError
from zscr.partial import write_atomically
from zscr.schema import SHA256, file_name, integer, mapping, maybe, number, record, text
from zscr.strict_json import parse_json

FOLDER = KIND = "descriptions"
_LINE = text(10_000, least=1)
FIELDS = record(
    {
        "answers": file_name,
        "prompts": mapping(_LINE, PROMPT),
        "source": _LINE,
        "date": _LINE,
        "cut": integer(0, 1 << 40),
        "refused": integer(0, 1 << 40),
    },
    {
        "named": integer(0, 1 << 40),
        "file_sha256": SHA256,
        "model": _LINE,
        "base_url": _LINE,
        "temperature": maybe(number()),
        "seed": maybe(integer(-(1 << 63), 1 << 63)),
    },
)
_ANSWERS = mapping(mapping(text(LETTERS, least=1), PROMPT), text(10_000, controls=True))


@dataclass(frozen=True)
class Descriptions:
    """What is stored of a collection's classes.

    Attributes:
        folder: where.
        answers: class -> prompt -> sentence.
        manifest: its fields say by which prompts, model and endpoint, or from which file, and when.
    """

    folder: Path
    answers: Answers
    manifest: Manifest


def has_descriptions(collection: Path) -> bool:
    """Say whether a collection's folder holds descriptions."""
    return (collection / FOLDER).exists()


def read_descriptions(collection: Path) -> Descriptions:
    """Read and check the descriptions in a collection's folder.

    Raises:
        ArtefactError: there are none, or they are damaged.
    """
    folder = collection / FOLDER
    if not folder.exists():
        raise ArtefactError(f"{collection} has no descriptions; run 'zscr data describe' on it")
    manifest = read_manifest(folder, KIND, FIELDS)
    try:
        answers = parse_json(bytes(read_verified(folder, manifest, manifest.body["answers"])))
        _ANSWERS(answers, "")
    except ValueError as error:
        raise ArtefactError(f"{folder} is damaged ({error}); describe the classes again") from error
    return Descriptions(folder, answers, manifest)


def require_free(collection: Path, *, replace: bool) -> None:
    """Refuse to describe a collection again unless that was asked for.

    Raises:
        ArtefactError: it has descriptions, or a link in their place.
    """
    if (collection / FOLDER).is_symlink():
        raise ArtefactError(f"{collection / FOLDER} is a link, and no folder of zscr's; remove it")
    if has_descriptions(collection) and not replace:
        raise ArtefactError(
            f"{collection / FOLDER} exists already; --replace puts new ones in its place"
        )


def write_descriptions(collection: Path, answers: Answers, fields: Mapping[str, Any]) -> Path:
    """Store descriptions in place of those that there are, if any; return their folder.

    Raises:
        ArtefactError: the disk is full, failing or read-only.
    """
    folder, raw = collection / FOLDER, dump_json(answers)
    name = f"answers-{hash_bytes(raw)[:16]}.json"
    body = {"answers": name, **fields}
    if not folder.exists():
        with staged(folder, KIND) as stage:
            (stage.folder / name).write_bytes(raw)
            stage.body.update(body)
        return folder
    write_atomically(folder / name, raw)
    write_manifest(folder, KIND, {name: file_entry(folder / name)}, body)
    for old in folder.glob("answers-*.json"):
        if old.name != name:
            remove_or_tell(old)
    return folder
