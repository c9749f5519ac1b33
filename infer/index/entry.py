"""What an index knows of one image, and the line of `entries.N.jsonl` that holds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zscr.errors import InputError

CLASS = "class"  # the attribute that answers are marked right or wrong by

Skipped = Mapping[str, str]  # an image that could not be indexed: `image`, its path, and `reason`


@dataclass(frozen=True)
class Entry:
    """One image of the gallery. Entries are equal if all of their fields are.

    Attributes:
        id: names it in answers; an index holds it once.
        sha256: of the image's content.
        image: its path, where it has one.
        attributes: such as its class or domain: what answers show and filters ask for.
    """

    id: str
    sha256: str
    image: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def class_id(self) -> str | None:
        """The attribute `class`; None for an image of no known class."""
        return self.attributes.get(CLASS)


def entry_row(entry: Entry) -> dict[str, Any]:
    """Return an entry as its line, without the fields that say nothing."""
    row: dict[str, Any] = {"id": entry.id, "sha256": entry.sha256, "image": entry.image}
    row["attributes"] = dict(entry.attributes) or None
    return {key: value for key, value in row.items() if value is not None}


def entry_from(row: Mapping[str, Any]) -> Entry:
    """Read an entry from its line.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: the line holds something else.
    """
    image, attributes = row.get("image"), row.get("attributes", {})
    _require_texts(row["id"], row["sha256"], *([] if image is None else [image]))
    _require_texts(*attributes.values())
    if not row["id"]:
        raise ValueError("an entry has an empty id")
    return Entry(row["id"], row["sha256"], image, attributes)


def skipped_from(row: Mapping[str, Any]) -> Skipped:
    """Read a skipped image from its line; raises as `entry_from` does."""
    _require_texts(*row.values())
    return row


def _require_texts(*values: Any) -> None:
    for value in values:
        if type(value) is not str:
            raise TypeError(f"{value!r:.40} is no text")


def check_entries(entries: Sequence[Entry]) -> None:
    """Prove that ids are there and occur once, and that all can be written as UTF-8.

    Raises:
        InputError: names the first offender.
    """
    for entry in entries:
        if not entry.id:
            raise InputError(f"the image {entry.image or entry.sha256} has an empty id; name it")
        words = (entry.id, entry.image or "", *entry.attributes, *entry.attributes.values())
        try:
            "".join(words).encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{entry.id!r} has a name that is not UTF-8; rename it") from error
    entry_id, times = max(
        Counter(e.id for e in entries).items(), key=lambda c: c[1], default=("", 0)
    )
    if times > 1:
        raise InputError(f"the id {entry_id} is given {times} times; make ids unique")
