"""Makes a collection of LTLL: landmarks in photos of today and of the archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zscr.data.collection import new_collection
from zscr.data.sources.annotated import locate
from zscr.data.sources.archive import opened
from zscr.data.sources.domains.conversion import Conversion, Entry, freedom
from zscr.data.sources.domains.lists import find_lists, is_of, read_entries
from zscr.data.sources.lookup import Disk
from zscr.data.sources.origin import described
from zscr.data.walk import find_images
from zscr.errors import InputError

LIST = "full_files.csv"
WORDS = {"New": "today", "Old": "archive"}  # folder, and domain of the list -> query's text


def convert_ltll(source: Path, out: Path, *, skip_missing: bool = False) -> None:
    """Convert LTLL (Fernando et al., CVPR-W 2014) into the collection `out`.

    Tasks: `today-to-archive` and `archive-to-today`, in which every image asks for its landmark in
    the other domain, by the bare word. The gallery holds all images, the query's own among them,
    which is never an answer to itself.

    Args:
        source: a folder or ZIP with `New/images/<landmark>/` and `Old/images/<landmark>/`, and
            FreeDom's `full_files.csv`, lines `path domain class` with spaces between; without it
            all images of these folders are taken. Names on the disk may have spaces.
        out: the collection to make; must not exist.
        skip_missing: leave out images that are missing, and queries that need them.

    Raises:
        InputError: the source has neither the list nor the folders, the list has another form, or
            an image is missing.
    """
    with opened(source) as folder:
        entries = _entries(source, folder)
        images = locate([one.name for one in entries], folder)
        images.require(source, skip=skip_missing)
        provenance = dict[str, object](described(source))
        protocol = "domain conversion on LTLL, by FreeDom's protocol"
        with new_collection(out, name="ltll", protocol=protocol, provenance=provenance) as draft:
            made = Conversion.begun(draft, entries, entries, images)
            made.add_directions(freedom(5, 10), entries)
            made.finish(provenance)


def _entries(source: Path, folder: Path) -> list[Entry]:
    """Return all images, as the list has them or as the folders hold them."""
    listed = [Path(one) / LIST for one in Disk().below(folder)]
    if any(path.is_file() and is_of(path, WORDS) for path in listed):
        lists = find_lists(source, folder, [LIST], lambda one: is_of(one / LIST, WORDS))
        return read_entries(lists / LIST, WORDS)
    roots = [Path(one) for one in Disk().below(folder)]
    roots = [one for one in roots if all((one / domain).is_dir() for domain in WORDS)]
    if len(roots) != 1:
        raise InputError(
            f"{source} holds no {LIST} of LTLL, and the folders {' and '.join(WORDS)} in "
            f"{len(roots)} folders, not in one; name the published folder"
        )
    return [*_found(roots[0])]


def _found(root: Path) -> Iterator[Entry]:
    """Yield the images of the folders; a landmark's name loses its spaces, as in the list."""
    for domain, word in WORDS.items():
        for path in find_images(root / domain):
            name = path.relative_to(root).as_posix()
            yield Entry(name, path.parent.name.replace(" ", ""), word)
