"""Images that annotations name, as items of a collection: all there, or counted and left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from zscr.data.collection import Draft, Item
from zscr.data.sources.annotated import Located, add_image, locate
from zscr.data.sources.triplets.triplet import SPLIT, Files
from zscr.progress import progress

SUFFIXES = (".png", ".jpg", ".jpeg")  # of copies of one data set


def located(
    source: Path,
    folder: Path,
    names: Mapping[str, str],
    suffixes: Sequence[str] = ("",),
    *,
    skip: bool,
) -> Located:
    """Find the images that annotations name.

    Args:
        source: what was named, for the error; folder: where it is opened.
        names: item id -> how the annotations write its file, with `/`.
        suffixes: what may be behind these.
        skip: whether images may be missing.

    Returns:
        Item ids in place of the names.

    Raises:
        InputError: images are missing and `skip` is false, or all of them are.
    """
    found = locate(names.values(), folder, suffixes)
    found.require(source, skip=skip)
    files = {name: found.files[at] for name, at in names.items() if at in found.files}
    return Located(files, tuple(name for name in names if name not in files))


def put(draft: Draft, images: Located) -> Files:
    """Put images into a collection, without items of them; record what is skipped."""
    files: Files = dict.fromkeys(images.missing)
    for name in images.missing:
        draft.skip(name, "it is not there")
    with progress("checking images", len(images.files)) as bar:
        for name, path in images.files.items():
            files[name] = add_image(draft, path, f"{path.parent.name}/{path.name}")
            bar.advance()
    return files


def add_items(draft: Draft, files: Files) -> None:
    """Add an item of each image that is there, by its id."""
    for name, file in files.items():
        if file:
            draft.add_item(Item(name, SPLIT, image=file))
