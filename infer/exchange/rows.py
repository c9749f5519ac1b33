"""An image as other libraries keep it: a JSON object of its id, content, place and attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zscr.infer.index.index import Entry

UNKNOWN = "0" * 64  # the sha256 of an image whose content nobody has told


def row_of(entry: Entry) -> dict[str, Any]:
    """Return an image as a row; fields that say nothing are left out."""
    row: dict[str, Any] = {"id": entry.id, "sha256": entry.sha256, "image": entry.image}
    row |= {"attributes": dict(entry.attributes) or None, "also": [*entry.also] or None}
    return {name: value for name, value in row.items() if value is not None}


def entry_of(row: Mapping[str, Any]) -> Entry:
    """Return the image of a row; attributes that are null are left out, as SQL has them.

    Raises:
        ValueError: it has no id, or a field is something else.
    """
    attributes = row.get("attributes") or {}
    also = row.get("also") or ()
    if not isinstance(attributes, Mapping) or isinstance(also, str):
        raise ValueError(f"its attributes or places are none: {row!a:.60}")
    said = {name: value for name, value in attributes.items() if value is not None}
    image = row.get("image")
    sha256 = row.get("sha256") or UNKNOWN
    if not row.get("id"):
        raise ValueError(f"an image has no id: {row!a:.60}")
    for word in (row["id"], sha256, image or "", *said, *said.values(), *also):
        if type(word) is not str:
            raise ValueError(f"{word!a:.40} is no text, as of {row['id']!a:.40}")
    return Entry(row["id"], sha256, image, said, tuple(also))
