"""COCO's objects as Pic2Word's composition asks with them: one an image, the others in words."""

from __future__ import annotations

import csv
import io
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.data.sources.triplets.annotations import read_annotations
from zscr.errors import InputError
from zscr.regular import open_regular
from zscr.schema import anything, integer, listing, number, record, words

COLUMNS = ("id", "query_regions", "query_class", "classes")
_ID = integer(0, 1 << 53)
_INSTANCES = record(
    {
        "images": listing(record({"id": _ID, "file_name": words}), 1),
        "categories": listing(record({"id": _ID, "name": words}), 1),
        "annotations": listing(
            record(
                {
                    "image_id": _ID,
                    "category_id": _ID,
                    "bbox": listing(number(), 4, 4),
                    "segmentation": anything,
                }
            ),
            1,
        ),
    }
)
Annotation = Mapping[str, Any]


@dataclass(frozen=True)
class Instance:
    """An annotated object: its class, its corners (x1, y1, x2, y2) and its mask's segmentation."""

    name: str
    corners: tuple[float, float, float, float]
    segmentation: Any = None

    @property
    def area(self) -> float:
        """Of its box, in pixels."""
        x1, y1, x2, y2 = self.corners
        return (x2 - x1) * (y2 - y1)


@dataclass(frozen=True)
class Choice:
    """The object of an image that is asked with, and the image's other classes.

    Attributes:
        file: the image's file name.
    """

    file: str
    instance: Instance
    others: tuple[str, ...]

    @property
    def text(self) -> str:
        """The whole sentence, the object's class in it, as released.

        An image without another class has an empty one there, so that its sentence ends in "and".
        """
        return f"a photo of * and {self.instance.name} and {' and '.join(self.others)}".strip()


def read_instances(path: Path) -> dict[str, list[Instance]]:
    """Return the annotated objects of each image, by file name, in the order of the annotations.

    Raises:
        InputError: the file is missing or no list of instances.
    """
    content = read_annotations(path, _INSTANCES)
    files = {image["id"]: image["file_name"] for image in content["images"]}
    names = {one["id"]: one["name"] for one in content["categories"]}
    found: dict[str, list[Instance]] = defaultdict(list)
    for row in content["annotations"]:
        if row["image_id"] not in files or row["category_id"] not in names:
            raise InputError(f"{path} annotates an unknown image or category; fetch it anew")
        x, y, width, height = row["bbox"]
        corners = (x, y, x + width, y + height)
        instance = Instance(names[row["category_id"]], corners, row["segmentation"])
        found[files[row["image_id"]]].append(instance)
    return dict(found)


def draw(
    objects: Mapping[str, list[Instance]], sizes: Mapping[str, int], seed: int
) -> Iterator[Choice]:
    """Yield one object an image by chance, of those whose box has .05 < area < half the image.

    The lower bound is in pixels, as released: it lets all objects but points pass, where a share of
    the image will have been meant. Images without such an object do not ask.

    Args:
        objects: of each image, by file name.
        sizes: pixels of each image that is there.
        seed: of the choice, which for an image depends on its name alone.
    """
    for file in sorted(sizes):
        fitting = [one for one in objects[file] if 0.05 < one.area < 0.5 * sizes[file]]
        if fitting:
            chosen = random.Random(f"{seed} {file}").choice(fitting)
            names = dict.fromkeys(one.name for one in objects[file])
            yield Choice(file, chosen, tuple(name for name in names if name != chosen.name))


def read_choices(path: Path, objects: Mapping[str, list[Instance]]) -> list[Choice]:
    """Read `coco_eval.csv`, in which the released script notes what it has drawn.

    Raises:
        InputError: a column is missing, or a row names no box of its image's.
    """
    try:
        with open_regular(path) as raw, io.TextIOWrapper(raw, "utf-8", newline="") as file:
            return [*_choices(path, csv.DictReader(file), objects)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no table in UTF-8 ({error}); generate it anew") from error


def _choices(
    path: Path, rows: Iterable[dict[str, str]], objects: Mapping[str, list[Instance]]
) -> Iterator[Choice]:
    for line, row in enumerate(rows, 2):
        if missing := [name for name in COLUMNS if row.get(name) is None]:
            raise InputError(f"{path}, row {line} has no {missing[0]}; generate it anew")
        try:
            x1, y1, x2, y2 = map(float, row["query_regions"].split(";"))
        except ValueError as error:
            raise InputError(
                f"{path}, row {line} has no region x1;y1;x2;y2 of numbers; generate it anew"
            ) from error
        box = Instance(row["query_class"], (x1, y1, x2, y2))
        others = tuple(filter(None, row["classes"].split(";")))
        yield Choice(row["id"], _annotated(box, objects.get(row["id"], [])), others)


def _annotated(box: Instance, objects: Iterable[Instance]) -> Instance:
    """Return the object whose box a row repeats, which has its mask; without one the row's own."""
    for one in objects:
        near = all(abs(a - b) < 0.01 for a, b in zip(one.corners, box.corners, strict=True))
        if near and one.name == box.name:
            return one
    return box
