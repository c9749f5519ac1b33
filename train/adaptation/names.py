"""The list of names that `zscr adapt` is given: a class a line, encoded as queries are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zscr.artefact import hash_file
from zscr.data.collection import Collection
from zscr.data.names import nfc
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.encoder import Encoder, Rows
from zscr.infer.features.table import Split, Table, check_finite, starts_of
from zscr.infer.lines import read_lines
from zscr.infer.reading import encode_readable
from zscr.progress import say
from zscr.train.tables import ArraySplit


@dataclass(frozen=True)
class Names:
    """Names as groups with their table `text`; and what a run's manifest says of the list."""

    split: ArraySplit
    about: Mapping[str, Any]


def read_names(path: Path, encoder: Encoder | None, collection: Collection) -> Names:
    """Read a list of names, and encode them.

    A line is a name, or several texts of one class with tabs between: their mean is taken. Where a
    collection has published vectors of texts, a line is the id of one of its classes. Blank lines
    and repeated names are left out and told; so are names without any word that the encoder knows.

    Args:
        path: the file, UTF-8.
        encoder: of texts; None where the collection has published vectors.
        collection: that the model was trained on.

    Raises:
        InputError: the file cannot be read, or no name in it can be used.
    """
    lines = [nfc(line) for _, line in read_lines(path)]
    names = list(dict.fromkeys(line for line in lines if line))
    if not names:
        raise InputError(f"{path} holds no name; write one on each line")
    blank = sum(not line for line in lines)
    repeated = len(lines) - blank - len(names)
    if blank or repeated:
        say(f"{path}: {blank} blank lines and {repeated} repeated names are left out")
    groups = _published(path, collection, names) if encoder is None else _encode(encoder, names)
    known = {name: rows for name, rows in groups.items() if rows.any()}
    _report_unknown(path, names, known)
    about = {"path": str(path.resolve()), "sha256": hash_file(path), "count": len(known)}
    about |= {"blank": blank, "repeated": repeated, "unknown": len(names) - len(known)}
    return Names(_split(known), about)


def _encode(encoder: Encoder, names: Sequence[str]) -> dict[str, Rows]:
    """Return each name's texts' rows, without those of which the encoder can read nothing."""
    texts = [(name, one.strip()) for name in names for one in name.split("\t") if one.strip()]
    places, rows = encode_readable(encoder, Query.of("text", (text for _, text in texts)))
    kept: dict[str, list[int]] = {name: [] for name in names}
    for row, place in enumerate(places):
        kept[texts[place][0]].append(row)
    unread = [texts[place][0] for place in set(range(len(texts))).difference(places)]
    if partly := sum(bool(kept[name]) for name in unread):
        say(f"{partly} texts hold no word that the text encoder knows; their names have others")
    return {name: rows[own] for name, own in kept.items()}


def _published(path: Path, collection: Collection, names: Sequence[str]) -> dict[str, Rows]:
    found = {}
    spelt = {nfc(class_id): class_id for class_id in collection.classes}
    for name in names:
        info = collection.classes.get(spelt.get(name, name))
        if info is None or info.text_rows is None:
            known = ", ".join(collection.splits["unseen"][:3])
            raise InputError(
                f"{path}: '{name}' is no class of {collection.folder} with published text vectors, "
                f"on which the model was trained; name classes by their ids, such as {known}"
            )
        found[name] = collection.vectors("text")[slice(*info.text_rows)]
    return found


def _report_unknown(path: Path, names: Sequence[str], known: Mapping[str, Rows]) -> None:
    unknown = [name for name in names if name not in known]
    if not known:
        raise InputError(
            f"none of the {len(names)} names in {path} holds a word that the text encoder knows, "
            f"first: '{names[0]}'; use words of the collection's texts, or train with an encoder "
            f"of an open vocabulary"
        )
    if unknown:
        say(
            f"{len(unknown)} of {len(names)} names in {path} hold no word that the text encoder "
            f"knows and are left out, first: '{unknown[0]}'"
        )


def _split(groups: Mapping[str, Rows]) -> ArraySplit:
    rows = np.concatenate([*groups.values()])
    check_finite("text", rows, "the names")
    ids = tuple(f"{name}#{n}" for name, found in groups.items() for n in range(len(found)))
    table = Table(ids, rows, starts_of([len(found) for found in groups.values()]))
    return Split(tuple(groups), {"text": table})
