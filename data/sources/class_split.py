"""Which classes of a folder are unseen and for validation: lists in it, or a choice."""

from __future__ import annotations

from pathlib import Path

from zscr.data.names import nfc
from zscr.data.splits import hold_out
from zscr.errors import InputError

LISTS = {"unseen": "unseen.txt", "val": "val.txt"}
FEWEST = 4  # two seen classes, one for validation, one unseen


def split_classes(
    source: Path, classes: list[str], seed: int, unseen: float | int, val: float | int
) -> dict[str, str]:
    """Return the split of every class, by `unseen.txt` and `val.txt` in a folder or by chance.

    Args:
        source: the folder.
        classes: all of them.
        seed: of the choice, where a list is not there.
        unseen, val: shares or numbers of classes to hold out.

    Raises:
        InputError: a list names what is no class or what the other one has, or leaves nothing.
        ConfigError: `unseen` or `val` leave nothing to train on.
    """
    listed = {split: _listed(source / file, classes) for split, file in LISTS.items()}
    both = sorted(set(listed["unseen"] or ()) & set(listed["val"] or ()))
    if both:
        raise InputError(f"{source}: {both[0]} is in unseen.txt and in val.txt; keep it in one")
    least = 2 if len(classes) >= 6 else 1  # a single class is found whatever the model does
    free = [name for name in classes if name not in (listed["val"] or ())]
    tested = listed["unseen"] or hold_out(free, unseen, seed=seed, least=least)
    free = [name for name in classes if name not in tested]
    validated = listed["val"] or hold_out(free, val, seed=seed, least=least)
    split_of = dict.fromkeys(classes, "seen") | dict.fromkeys(tested, "unseen")
    split_of |= dict.fromkeys(validated, "val")
    if "seen" not in split_of.values():
        raise InputError(f"{source}: unseen.txt and val.txt leave no class to train on")
    return split_of


def _listed(path: Path, classes: list[str]) -> list[str] | None:
    """Return the classes in a list file, or None without one."""
    if not path.is_file():
        return None
    names = [line.strip() for line in path.read_bytes().decode("utf-8-sig", "replace").splitlines()]
    spelt = {nfc(name): name for name in classes}
    names = [spelt.get(nfc(name), name) for name in names if name]
    unknown = [name for name in names if name not in classes]
    if unknown or not names:
        shown = unknown[0] if unknown else "no class"
        raise InputError(f"{path} names {shown}, which is no class folder with images")
    return names
