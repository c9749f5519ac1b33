"""What every collection fulfils, when it is written and whenever it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

from zscr.data.records import ClassInfo, Item
from zscr.errors import CollectionError

SPLITS = ("seen", "val", "unseen")


def check_items(
    items: Sequence[Item], classes: Iterable[ClassInfo], splits: Mapping[str, Iterable[str]]
) -> None:
    """Prove that splits are disjoint, ids unique and every item's class is one of its split.

    Raises:
        CollectionError: names the first offenders and their number.
    """
    split_of: dict[str, str] = {}
    for name in SPLITS:
        twice = repeated([*split_of, *splits[name]])
        where = f"in split '{name}' and in an earlier one, or twice in it"
        refuse(twice, f"classes are {where}; keep each in one place")
        split_of |= dict.fromkeys(splits[name], name)
    refuse(repeated(c.id for c in classes), "class ids occur twice; make them unique")
    unlisted = sorted({c.id for c in classes} ^ split_of.keys())
    refuse(unlisted, "classes are in classes or in a split list, but not in both; add the other")
    refuse(repeated(item.id for item in items), "item ids occur twice; make them unique")
    lost = [item.id for item in items if item.split not in SPLITS]
    refuse(lost, f"items are of no split; give each one of {', '.join(SPLITS)}")
    if split_of:
        wrong = [i.id for i in items if not i.class_id or split_of.get(i.class_id) != i.split]
        why = "name no class, or one that is unknown or of another split; name theirs"
    else:
        wrong = [item.id for item in items if item.class_id is not None]
        why = "name a class, but the collection has none; add it"
    refuse(wrong, f"items {why}")


def check_files(items: Iterable[Item], files: Container[str]) -> None:
    """Refuse images that are not the collection's own: no path may lead out of its folder.

    Raises:
        CollectionError: names the first items of such images and their number.
    """
    lost = [i.id for i in items if any(n and not is_own(n, files) for n in (i.image, i.sketch))]
    refuse(lost, "items name an image that the collection does not hold; put it into its folder")


def is_own(name: str, files: Container[str]) -> bool:
    """Say whether a file is one of a collection's `files`, and below its folder."""
    return name in files and not name.startswith("/") and ".." not in name.split("/")


def repeated(ids: Iterable[str]) -> list[str]:
    """Return the ids that occur more than once, sorted."""
    return sorted(key for key, count in Counter(ids).items() if count > 1)


def refuse(offenders: list[str], why: str) -> None:
    """Raise a CollectionError that counts the offenders and names the first three, if any."""
    if offenders:
        shown = ", ".join(offenders[:3]) + (", …" if len(offenders) > 3 else "")
        raise CollectionError(f"{len(offenders)} {why}: {shown}")
