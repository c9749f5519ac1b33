"""Telling an index that one of its folders lies elsewhere by now."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from zscr.errors import InputError
from zscr.infer.index.change import Change
from zscr.infer.index.index import Index
from zscr.infer.index.roots import root_of


def relocate_root(folder: Path, name: str, moved_to: Path) -> tuple[int, int]:
    """Let a root of the index `folder` lie at `moved_to`; ids and vectors stay as they are.

    Returns:
        How many of its images are there, and how many it has.

    Raises:
        InputError: there is no such root, none of its images is there, or the index has images
            of what is there already.
    """
    index = Index.open(folder.resolve())
    roots = {root.name: root for root in index.roots}
    if name not in roots:
        known = ", ".join(f"{root.name} ({root.path})" for root in index.roots) or "none"
        raise InputError(f"{folder} has no folder called {name}; it has {known}")
    old, new = roots[name], replace(roots[name], path=str(moved_to.resolve()))
    all_places = [place for entry in index.entries for place in entry.places]
    places = [place for place in all_places if root_of(index.roots, place) == old]
    moved = [new.place(old.below(place)) for place in places]
    there = sum(map(os.path.isfile, moved))
    if not there:
        raise InputError(
            f"none of the {len(places)} images of {name} is at {moved_to}, such as "
            f"{old.below(places[0]) if places else 'any'}; name the folder that holds them"
        )
    if twice := {*all_places}.difference(places).intersection(moved):
        raise InputError(
            f"the index has images of {len(twice)} files in {moved_to} already, such as "
            f"{min(twice)}: 'zscr index remove {old.path}' removes those of {name}"
        )
    index.apply(Change(roots=tuple((roots | {name: new}).values())))
    return there, len(places)
