"""What an index knows of one image, and the line of `entries.N.jsonl` that holds it.

In memory an image is a whole path; its line holds a path below one of the index's roots, so that
an index and its images may be moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zscr.errors import InputError
from zscr.infer.index.roots import Root, root_of

if TYPE_CHECKING:
    from zscr.data.listing import Skipped

CLASS = "class"  # the attribute that answers are marked right or wrong by


@dataclass(frozen=True)
class Entry:
    """One image of the gallery. Entries are equal if all of their fields are.

    Attributes:
        id: names it in answers; an index holds it once.
        sha256: of the image's content.
        image: its path, where it has one.
        attributes: such as its class or domain: what answers show and filters ask for.
        also: further places of the same content, where an index keeps one entry for all of them.
    """

    id: str
    sha256: str
    image: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    also: tuple[str, ...] = ()

    @property
    def class_id(self) -> str | None:
        """The attribute `class`; None for an image of no known class."""
        return self.attributes.get(CLASS)

    @property
    def places(self) -> tuple[str, ...]:
        """Every path that its content has."""
        return self.also if self.image is None else (self.image, *self.also)


def entry_row(entry: Entry, roots: Sequence[Root] = ()) -> dict[str, Any]:
    """Return an entry as its line, without the fields that say nothing."""
    row: dict[str, Any] = {"id": entry.id, "sha256": entry.sha256}
    if entry.image is not None:
        row |= _place_row(entry.image, roots)
    row["attributes"] = dict(entry.attributes) or None
    row["also"] = [_place_row(place, roots) for place in entry.also] or None
    return {key: value for key, value in row.items() if value is not None}


def entry_from(row: Mapping[str, Any], roots: Mapping[str, Root]) -> Entry:
    """Read an entry from its line.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: the line holds something else.
    """
    attributes, also = row.get("attributes", {}), row.get("also", [])
    _require_texts(row["id"], row["sha256"], *attributes.values())
    if not row["id"]:
        raise ValueError("an entry has an empty id")
    image = _place_from(row, roots) if "image" in row else None
    others = tuple(_place_from(place, roots) for place in also)
    return Entry(row["id"], row["sha256"], image, attributes, others)


def skipped_row(skipped: Skipped, roots: Sequence[Root]) -> dict[str, str]:
    """Return a skipped image as its line of `errors.N.jsonl`."""
    return {**skipped, **_place_row(skipped["image"], roots)}


def skipped_from(row: Mapping[str, Any], roots: Mapping[str, Root]) -> Skipped:
    """Read a skipped image from its line; raises as `entry_from` does."""
    told = {key: value for key, value in row.items() if key != "root"}
    _require_texts(*told.values())
    return {**told, "image": _place_from(row, roots)}


def rebased(place: str, before: Sequence[Root], after: Mapping[str, Root]) -> str:
    """Return where a file is once roots lie elsewhere, such as the disk that they are on."""
    root = root_of(before, place)
    if root is None or root.name not in after or after[root.name].path == root.path:
        return place
    return after[root.name].place(root.below(place))


def _require_texts(*values: Any) -> None:
    for value in values:
        if type(value) is not str:
            raise TypeError(f"{value!r:.40} is no text")


def _place_row(place: str, roots: Sequence[Root]) -> dict[str, str]:
    root = root_of(roots, place)
    return {"image": place} if root is None else {"root": root.name, "image": root.below(place)}


def _place_from(row: Mapping[str, Any], roots: Mapping[str, Root]) -> str:
    """Return a place, which lies in the root that its row names, if it names one."""
    image = row["image"]
    _require_texts(image)
    if "root" not in row:
        return str(image)
    if image.startswith("/") or ".." in image.split("/"):
        raise ValueError(f"{image!a:.80} is not below the root {row['root']!a:.40}")
    return roots[row["root"]].place(image)


def check_entries(entries: Sequence[Entry]) -> None:
    """Prove that ids are there and occur once, and that all can be written as UTF-8.

    Raises:
        InputError: names the first offender.
    """
    for entry in entries:
        if not entry.id:
            raise InputError(f"the image {entry.image or entry.sha256} has an empty id; name it")
        words = (entry.id, *entry.places, *entry.attributes, *entry.attributes.values())
        try:
            "".join(words).encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{entry.id!r} has a name that is not UTF-8; rename it") from error
    entry_id, times = max(
        Counter(e.id for e in entries).items(), key=lambda c: c[1], default=("", 0)
    )
    if times > 1:
        raise InputError(f"the id {entry_id} is given {times} times; make ids unique")
