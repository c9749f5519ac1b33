"""Makes a collection of GeneCIS (Vaze et al., CVPR 2023): a small gallery of each query's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.data.collection import Draft, new_collection
from zscr.data.images import open_image
from zscr.data.relevance import Truth
from zscr.data.sources.annotated import Located
from zscr.data.sources.archive import opened
from zscr.data.sources.lookup import Disk
from zscr.data.sources.origin import described
from zscr.data.sources.triplets.annotations import (
    find_layout,
    published_id,
    read_annotations,
    spoken,
)
from zscr.data.sources.triplets.boxes import dilated, padded
from zscr.data.sources.triplets.images import add_items, put
from zscr.data.sources.triplets.triplet import Files, Triplet, add_task
from zscr.data.task_files import TaskInfo
from zscr.errors import InputError
from zscr.progress import progress
from zscr.schema import Check, listing, number, record, words

TASKS = ("focus_attribute", "change_attribute", "focus_object", "change_object")
FIGURES = ("R@1", "R@2", "R@3")
PROTOCOL = "GeneCIS, each query's own gallery with its target"
_SIDE = listing(number(), 4, 4)
_ATTRIBUTE = record({"image_id": published_id, "instance_bbox": _SIDE})
_OBJECT = record({"val_image_id": published_id})

Row = Mapping[str, Any]


def _queries(image: Check) -> Check:
    sides = {"reference": image, "target": image, "gallery": listing(image, 1)}
    return listing(record({**sides, "condition": words}), 1)


@dataclass(frozen=True)
class Instance:
    """An image that a query names: a whole one of COCO, or a box in one of Visual Genome.

    Attributes:
        number: the image's published id.
        box: x, y, width and height in pixels; None is the whole image.
    """

    number: int
    box: tuple[float, float, float, float] | None = None

    @classmethod
    def of(cls, row: Row) -> Instance:
        """Read one side of a query."""
        if "val_image_id" in row:
            return cls(int(row["val_image_id"]))
        x, y, width, height = row["instance_bbox"]
        return cls(int(row["image_id"]), (x, y, width, height))

    @property
    def id(self) -> str:
        """The id of its item."""
        if self.box is None:
            return f"{self.number:012d}"
        return "_".join([str(self.number), *(f"{side:g}" for side in self.box)])

    @property
    def file(self) -> str:
        """The name of the image's own file."""
        return f"{self.number:012d}.jpg" if self.box is None else f"{self.number}.jpg"


def convert_genecis(source: Path, out: Path, *, skip_missing: bool = False) -> None:
    """Convert GeneCIS into the collection `out`, as far as its four lists are there.

    Tasks: `focus_attribute`, `change_attribute`, `focus_object` and `change_object`; a query ranks
    its own gallery with its target, 15 or 10 images. Attributes are asked of boxes in Visual
    Genome's images, dilated by 0.7 and padded with black to a square; objects of whole images of
    COCO. Texts are the conditions alone.

    Args:
        source: a folder or ZIP with `focus_attribute.json` and so on, and the folders `VG_100K`
            (`VG_100K_2`, `VG_100K_all`) and `val2017` beside these, or the folder above.
        out: the collection to make; must not exist.
        skip_missing: leave out and count images that are missing, as damaged ones always are.

    Raises:
        InputError: the annotations cannot be read, or an image is missing.
    """
    with opened(source) as folder:
        root = find_layout(source, folder, [f"{name}.json" for name in TASKS])
        there = [name for name in TASKS if (root / f"{name}.json").is_file()]
        queries = {name: _read(root, name) for name in there}
        named = (one for rows in queries.values() for row in rows for one in _of(row))
        by_id = {one.id: one for one in named}
        instances = [by_id[name] for name in sorted(by_id)]  # equal scores must not favour targets
        images = _located(folder, instances)
        _of_files(instances, images).require(source, skip=skip_missing)
        with new_collection(
            out, name="genecis", protocol="GeneCIS", provenance=described(source)
        ) as draft:
            add_items(draft, files := _put(draft, instances, images))
            for name, rows in queries.items():
                asked = [*_triplets(rows)]
                ranked = tuple(dict.fromkeys(one for t in asked for one in t.truth.subset))
                info = TaskInfo(name, figures=FIGURES, protocol=PROTOCOL, galleries={name: ranked})
                add_task(draft, info, asked, files)


def _read(root: Path, name: str) -> list[Row]:
    image = _OBJECT if name.endswith("object") else _ATTRIBUTE
    rows: list[Row] = read_annotations(root / f"{name}.json", _queries(image))
    return rows


def _of(row: Row) -> list[Instance]:
    """Return the reference, the target and the gallery of a query."""
    return [Instance.of(one) for one in (row["reference"], row["target"], *row["gallery"])]


def _located(folder: Path, instances: Sequence[Instance]) -> Located:
    """Find each instance's image by its name: Visual Genome's lie in two folders, or in one."""
    disk = Disk()
    there = disk.below(folder)
    found = {
        one.id: next((path for base in there if (path := disk.find(base, (one.file,)))), None)
        for one in instances
    }
    files = {name: path for name, path in found.items() if path}
    return Located(files, tuple(name for name in found if name not in files))


def _of_files(instances: Sequence[Instance], images: Located) -> Located:
    """Return the images by the names of their files, of which one may hold several boxes."""
    files = {one.file: images.files[one.id] for one in instances if one.id in images.files}
    missing = dict.fromkeys(one.file for one in instances if one.id not in images.files)
    return Located(files, tuple(missing))


def _put(draft: Draft, instances: Sequence[Instance], images: Located) -> Files:
    """Put whole images into a collection, and boxes that are cut out."""
    boxes = {one.id: one for one in instances if one.box is not None}
    whole = {name: path for name, path in images.files.items() if name not in boxes}
    files = put(draft, Located(whole, images.missing))
    with progress("cutting boxes out", len(boxes)) as bar:
        for name, one in boxes.items():
            if name in images.files:
                files[name] = _cut(draft, one, images.files[name])
            bar.advance()
    return files


def _cut(draft: Draft, one: Instance, path: Path) -> str | None:
    """Save the box of an image as a PNG, which keeps its pixels; record why it cannot be cut."""
    name = f"images/boxes/{one.id}.png"
    try:
        assert one.box is not None, one
        cut = padded(dilated(open_image(path), one.box))
    except InputError as error:
        draft.skip(f"{path.name}, box {one.id}", str(error))
        return None
    (draft.folder / "images/boxes").mkdir(parents=True, exist_ok=True)
    cut.save(draft.folder / name)
    return name


def _triplets(rows: Sequence[Row]) -> Iterator[Triplet]:
    for place, row in enumerate(rows):
        reference, target, *others = (one.id for one in _of(row))
        truth = Truth({target: 1.0}, (), tuple(dict.fromkeys((target, *others))))
        yield Triplet(str(place), reference, (spoken(row["condition"]),), truth, str(place))
