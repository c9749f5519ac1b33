"""Photos that a gallery lists more than once: under one name in two folders, or as equal files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from zscr.artefact import hash_file
from zscr.data.sources.domains.conversion import Entry
from zscr.progress import progress


@dataclass(frozen=True)
class Duplicates:
    """Which photos of a list are others of the same class again.

    Attributes:
        names: of those that are not the first of their class with their file's name or content.
        counts: how many are so by `name` and, of the others, by `content`.
    """

    names: frozenset[str]
    counts: Mapping[str, int]


def find_duplicates(photos: Sequence[Entry], files: Mapping[str, Path]) -> Duplicates:
    """Find what extended Sketchy lists twice: nearly every base photo is in its extension, too.

    The two files have one name and may differ in their bytes, so name and content count.

    Args:
        photos: in the order of the list, of which the first of equal ones is kept.
        files: name in the list -> file; a photo without one has no content to compare.
    """
    met = set[tuple[str, str]]()  # class, and a file's name or content
    names, counts = set[str](), Counter(name=0, content=0)
    with progress("comparing photos", len(photos)) as bar:
        for one in photos:
            file = files.get(one.name)
            keys = {"name": PurePosixPath(one.name).name}
            keys |= {"content": hash_file(file)} if file else {}
            same = [kind for kind, key in keys.items() if (one.class_id, key) in met]
            met |= {(one.class_id, key) for key in keys.values()}
            if same:
                names.add(one.name)
                counts[same[0]] += 1
            bar.advance()
    return Duplicates(frozenset(names), counts)
