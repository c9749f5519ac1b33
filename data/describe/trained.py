"""Which classes may be described: those that a model may be trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from pathlib import Path

from zscr.data.collection import Collection
from zscr.errors import CollectionError

TRAINED = ("seen", "val")  # splits


def require_trained(collection: Collection, described: Iterable[str], where: Path) -> None:
    """Refuse descriptions of classes that no model may be trained with.

    Raises:
        CollectionError: a class is unseen, or not the collection's; names it.
    """
    names = list(described)
    unseen = set(collection.splits["unseen"])
    if leaks := [name for name in names if name in unseen]:
        raise CollectionError(
            f"{where} describes unseen classes of {collection.folder}, of which training may know "
            f"nothing: {listed(leaks)}; take them out"
        )
    if foreign := [name for name in names if name not in collection.classes]:
        raise CollectionError(
            f"{where} describes classes that {collection.folder} has not: {listed(foreign)}; "
            f"correct their ids or take them out"
        )


def require_described(
    collection: Collection, splits: Iterable[str], texts: Mapping[str, Sized], what: str
) -> None:
    """Refuse texts that leave out a class of some splits.

    Raises:
        CollectionError: a class has none; names it.
    """
    for split in splits:
        if lacking := [name for name in collection.splits[split] if not texts.get(name)]:
            raise CollectionError(
                f"{what} says nothing of these classes of split '{split}' of {collection.folder}: "
                f"{listed(lacking)}; describe them, or take texts from elsewhere"
            )


def listed(names: list[str]) -> str:
    """Name the first of some things, and of many say how many there are."""
    return ", ".join(names[:5]) + (f", … ({len(names)} in all)" if len(names) > 5 else "")
