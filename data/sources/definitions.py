"""Definitions and synonyms of everyday classes, from LVIS v1's list of categories."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zscr.data.sources.archive import opened
from zscr.errors import InputError
from zscr.regular import open_regular
from zscr.schema import listing, record, words
from zscr.strict_json import parse_json

LVIS = "lvis_v1_train_cat_info.json"
_ROWS = listing(record({"def": words, "name": words, "synonyms": listing(words)}))


@dataclass(frozen=True)
class Definition:
    """What LVIS says of one category: a phrase, and other names of the same thing."""

    text: str
    synonyms: tuple[str, ...]


def read_definitions(source: Path) -> dict[str, Definition]:
    """Read LVIS's definitions by category name and synonym, spelt as LVIS does (`wine_bottle`).

    Args:
        source: the JSON file itself, or a folder or ZIP that holds it.

    Raises:
        InputError: it is not there, or not LVIS's list.
    """
    if source.suffix == ".json":
        return _parse(source)
    with opened(source) as folder:
        found = sorted(folder.rglob(LVIS))
        if not found:
            raise InputError(f"{source} holds no {LVIS}; name the file, or a folder or ZIP with it")
        return _parse(found[0])


def define(class_id: str, definitions: Mapping[str, Definition]) -> Definition | None:
    """Return the definition of a class, or None.

    A bare name is also looked up as the animal, but in no other sense: Sketchy's mouse is not
    LVIS's `mouse_(computer_equipment)`.
    """
    return definitions.get(class_id) or definitions.get(f"{class_id}_(animal)")


def spoken(class_id: str) -> str:
    """Return a class id as words: `car_(sedan)` is `car (sedan)`."""
    return class_id.replace("_", " ")


def _parse(path: Path) -> dict[str, Definition]:
    definitions: dict[str, Definition] = {}
    try:
        with open_regular(path) as file:
            rows = parse_json(file.read())
        _ROWS(rows, "")
        for row in rows:
            definition = Definition(row["def"], tuple(map(bare, row["synonyms"])))
            definitions[row["name"]] = definition
        for row in rows:
            for synonym in row["synonyms"]:
                definitions.setdefault(synonym, definitions[row["name"]])
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not LVIS's list of categories ({error!r})") from error
    return definitions


def bare(name: str) -> str:
    """Return a class id as words, without its qualifier: `bat_(animal)` is spoken `bat`."""
    return spoken(re.sub(r"_\(.*\)$", "", name))
