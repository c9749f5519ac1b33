"""Makes a collection of ImageNet-R for domain conversion, by Pic2Word's lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from zscr.data.collection import new_collection
from zscr.data.sources.annotated import Located, locate
from zscr.data.sources.archive import opened
from zscr.data.sources.domains.conversion import Conversion, Entry, freedom
from zscr.data.sources.domains.lists import find_lists, refuse_repeated
from zscr.data.sources.origin import described, numbered_lines, read_lines
from zscr.data.task_files import TaskInfo
from zscr.errors import InputError

QUERIES, TARGETS, NAMES = "imgnet_real_query.txt", "imgnet_targets.txt", "label_names.csv"
DOMAINS = {0: "cartoon", 1: "origami", 2: "toy", 3: "sculpture", 6: "photo"}  # by number
_PHOTO = "photo"
_CLASSES = 1000  # a label is class + 1000 x domain
_LABEL = re.compile("[0-9]{1,6}")
_PIC2WORD = TaskInfo(
    "",
    protocol="Pic2Word's domain conversion (Saito et al., CVPR 2023): photos of ImageNet's "
    "validation set ask for their class in a domain; they stay in the gallery, and those whose "
    "class has no image in the domain count 0",
    figures=("Recall@10", "Recall@50", "Prec@10 micro", "Prec@50 micro"),
)


def convert_imagenet_r(source: Path, out: Path, *, skip_missing: bool = False) -> None:
    """Convert ImageNet-R and the photos of ImageNet's validation set into the collection `out`.

    The tasks `to-cartoon`, `to-origami`, `to-toy` and `to-sculpture` follow Pic2Word: each photo of
    the query list asks by "a toy of *" for its class among toys. The tasks `photo-to-toy`,
    `toy-to-photo` and so on follow FreeDom: all images of the gallery ask, by the bare word. No
    image is left out of its own ranking, and none is an answer to itself.

    Args:
        source: a folder or ZIP with `imgnet_real_query.txt` and `imgnet_targets.txt`, lines `path
            label`, and the images, in folders `imagenet-r` and `real` or wherever else. Classes
            are called as `label_names.csv` beside the lists has it (`folder,name`), else by their
            folders.
        out: the collection to make; must not exist.
        skip_missing: leave out images that are missing, and queries that need them.

    Raises:
        InputError: a list is missing or has another form, or an image is missing.
    """
    with opened(source) as folder:
        lists = find_lists(source, folder, (QUERIES, TARGETS))
        gallery = _read(lists / TARGETS)
        asked = _read_queries(lists / QUERIES)
        images = _locate([*gallery, *asked], folder)
        images.require(source, skip=skip_missing)
        provenance = dict[str, object](described(source))
        protocol = "domain conversion on ImageNet-R, by Pic2Word's lists"
        with new_collection(
            out, name="imagenet-r", protocol=protocol, provenance=provenance
        ) as draft:
            names = _names(lists / NAMES, gallery)
            made = Conversion.begun(draft, gallery, asked, images, names)
            for target in (domain for domain in DOMAINS.values() if domain != _PHOTO):
                info = replace(_PIC2WORD, name=f"to-{target}")
                made.add_task(info, asked, target, f"a {target} of *")
            made.add_directions(freedom(10, 50), gallery)
            made.finish(provenance)


def _read(path: Path) -> list[Entry]:
    """Read a list of `path label`, whose lines may end in a space.

    Raises:
        InputError: a line is something else, or names an image for the second time.
    """
    entries = []
    for number, line in numbered_lines(path):
        name, _, label = line.rpartition(" ")
        domain = DOMAINS.get(int(label) // _CLASSES) if _LABEL.fullmatch(label) else None
        if not name or domain is None:
            raise InputError(
                f"{path}, line {number} is {line!a:.80}, not a path and a label, which is a class "
                f"below {_CLASSES} + {_CLASSES} x a domain of {', '.join(map(str, DOMAINS))}"
            )
        entries.append(Entry(name.strip(), str(int(label) % _CLASSES), domain))
    refuse_repeated(path, [one.name for one in entries])
    return entries


def _read_queries(path: Path) -> list[Entry]:
    """Read the photos that ask; their labels are bare classes."""
    entries = _read(path)
    if others := [one.name for one in entries if one.domain != DOMAINS[0]]:
        raise InputError(f"{path} labels {others[0]} with a domain; its labels are classes alone")
    return [replace(one, domain=_PHOTO) for one in entries]


def _locate(entries: Sequence[Entry], folder: Path) -> Located:
    """Find the images; photos and renditions may lie anywhere, as they are fetched apart.

    Names of ImageNet's photos are their own, so these are also found in one flat folder.
    """
    photos = locate([one.name for one in entries if one.domain == _PHOTO], folder)
    others = locate([one.name for one in entries if one.domain != _PHOTO], folder)
    return Located({**others.files, **photos.files}, others.missing + photos.missing)


def _names(path: Path, gallery: Sequence[Entry]) -> dict[str, str]:
    """Return the name of each class: the folder of its images, or what a list calls that."""
    lines = read_lines(path) if path.is_file() else []
    called = {folder: name for folder, _, name in (line.partition(",") for line in lines)}
    folders = {one.class_id: Path(one.name).parent.name for one in gallery}
    return {class_id: called.get(name) or name for class_id, name in folders.items() if name}
