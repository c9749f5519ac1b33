"""Images to train on whose list was never published: those in the folders of the seen classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from zscr.data.names import written
from zscr.data.sources.domains.conversion import Entry
from zscr.data.sources.lookup import folded
from zscr.data.sources.sketches.lists import ClassList
from zscr.data.walk import find_images


def find_training(
    seen: ClassList, judged: Sequence[Entry], files: Mapping[str, Path]
) -> dict[Entry, Path]:
    """Return the images of seen classes that lie beside the unseen classes' listed ones.

    Those of the unseen class `bat` are `sketches/bat/*`, so those of the seen class `bear` are
    all images below `sketches/bear`; in a class's name spaces and `_` are alike.

    Args:
        seen: the list of seen classes.
        judged: the images of unseen classes, of one domain.
        files: name in the lists -> its file, of those that are there.

    Returns:
        The image, named as a list would name it -> its file.
    """
    found = dict[Entry, Path]()
    for prefix, top in _tops(judged, files).items():
        folders = {folded(one.name): one for one in sorted(top.iterdir()) if one.is_dir()}
        for class_id in seen.places:
            if folder := folders.get(folded(class_id)):
                for path in find_images(folder):
                    name = written(prefix / path.relative_to(top))
                    found[Entry(name, class_id, judged[0].domain, str(folder))] = path
    return found


def _tops(judged: Sequence[Entry], files: Mapping[str, Path]) -> dict[PurePosixPath, Path]:
    """Return what listed names have before their class -> the folder that this is on the disk."""
    return dict(_top(one.name, files[one.name]) for one in judged if _has_class(one.name, files))


def _has_class(name: str, files: Mapping[str, Path]) -> bool:
    return name in files and "/" in name


def _top(name: str, file: Path) -> tuple[PurePosixPath, Path]:
    return PurePosixPath(name).parents[1], file.parents[1]
