"""Makes a collection of Pic2Word's object composition on COCO (Saito et al., CVPR 2023, 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from zscr.data.collection import Draft, new_collection
from zscr.data.images import decoded, open_image
from zscr.data.relevance import Truth
from zscr.data.sources.archive import opened
from zscr.data.sources.origin import described
from zscr.data.sources.triplets.annotations import find_layout
from zscr.data.sources.triplets.images import add_items, located, put
from zscr.data.sources.triplets.masks import mask_of
from zscr.data.sources.triplets.objects import Choice, Instance, draw, read_choices, read_instances
from zscr.data.sources.triplets.triplet import Files, Triplet, add_task
from zscr.data.task_files import TaskInfo
from zscr.errors import InputError
from zscr.progress import progress

FIGURES = (*(f"R@{k}" for k in (1, 5, 10, 50, 100)), "mean rank", "median rank")
INSTANCES, IMAGES, MASKED = "annotations/instances_val2017.json", "val2017", "val2017_masked"
CHOSEN = "coco_eval.csv"
REGION = 224  # pixels of a region's side: the aspect ratio is not kept


def convert_coco(source: Path, out: Path, *, seed: int = 7, skip_missing: bool = False) -> None:
    """Convert COCO's validation images into the collection `out`.

    The task `composition`: an object of an image, cut out and masked with white, and the sentence
    "a photo of * and {its class} and {the image's other classes}" ask for the image, among those of
    all queries. The published draw of objects was not released: where `coco_eval.csv` is there, as
    the released script generates it, its draw is taken; else one is drawn by the seed.

    Args:
        source: a folder or ZIP with `annotations/instances_val2017.json` and `val2017/`, or the
            folder above.
        out: the collection to make; must not exist.
        seed: of the draw of an object an image.
        skip_missing: leave out and count images that are missing, as damaged ones always are.

    Raises:
        InputError: the annotations cannot be read, an image is missing, or none has an object to
            ask with.
    """
    with opened(source) as folder:
        root = find_layout(source, folder, [INSTANCES])
        objects = read_instances(root / INSTANCES)
        listed = root / CHOSEN
        given = read_choices(listed, objects) if listed.is_file() else None
        names = [one.file for one in given] if given is not None else [*objects]
        written = {name: f"{IMAGES}/{name}" for name in dict.fromkeys(names)}
        places = located(source, root, written, skip=skip_missing)
        how = f"{CHOSEN}'s draw" if given is not None else f"seed {seed}"
        with new_collection(
            out,
            name="coco",
            protocol=f"COCO object composition, one object an image by {how}",
            provenance={**described(source), "seed": None if given is not None else seed},
        ) as draft:
            files = put(draft, places)
            sizes = {name: _pixels(places.files[name]) for name, file in files.items() if file}
            choices = [*draw(objects, sizes, seed)] if given is None else given
            _add(draft, root, choices, files, places.files)


def _pixels(path: Path) -> int:
    with decoded(path, least=1) as image:
        return image.size[0] * image.size[1]


def _add(
    draft: Draft,
    root: Path,
    choices: Sequence[Choice],
    files: Files,
    sources: Mapping[str, Path],
) -> None:
    """Add the images that ask, what they are asked for with, and the task."""
    asked = [one for one in choices if files[one.file]]
    if not asked:
        raise InputError("no image has an object of a fitting size to ask with; name other images")
    items = {Path(one.file).stem: files[one.file] for one in choices}
    add_items(draft, dict(sorted(items.items())))
    regions: Files = dict.fromkeys(items)
    with progress("cutting objects out", len(asked)) as bar:
        for one in asked:
            regions[Path(one.file).stem] = _saved(draft, root, one, sources[one.file])
            bar.advance()
    names = [Path(one.file).stem for one in choices]
    triplets = [
        Triplet(name, name, (one.text,), Truth({name: 1.0}), name)
        for name, one in zip(names, choices, strict=True)
    ]
    lost = [name for name in files if not files[name] and Path(name).stem not in items]
    info = TaskInfo("composition", figures=FIGURES, missing=len(lost))
    add_task(draft, info, triplets, items, regions)


def _saved(draft: Draft, root: Path, choice: Choice, source: Path) -> str:
    """Save an object's region as a PNG, which keeps its pixels; return its name."""
    masked = root / MASKED / choice.file
    image = open_image(masked) if masked.is_file() else _masked(source, choice)
    name = f"regions/{Path(choice.file).stem}.png"
    (draft.folder / "regions").mkdir(exist_ok=True)
    region(image, choice.instance).save(draft.folder / name)
    return name


def _masked(source: Path, choice: Choice) -> Image.Image:
    """Return an image that is white outside of an object.

    Raises:
        InputError: the object has no mask, since no annotation is its.
    """
    segmentation = choice.instance.segmentation
    if segmentation is None:
        raise InputError(
            f"{CHOSEN} names a box of {choice.file} that {INSTANCES} has not, and there is no "
            f"{MASKED}/{choice.file}; generate both anew"
        )
    pixels = np.array(open_image(source))
    pixels[~mask_of(segmentation, *pixels.shape[:2])] = 255
    return Image.fromarray(pixels)


def region(image: Image.Image, instance: Instance) -> Image.Image:
    """Cut an object's box out, its corners cut to whole pixels, and squeeze it into a square.

    A box thinner than a pixel, which the lower bound lets pass, is one pixel wide.
    """
    x1, y1, x2, y2 = map(int, instance.corners)
    cut = image.crop((x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)))
    return cut.resize((REGION, REGION), Image.Resampling.BICUBIC)
