"""Makes a collection of any folder whose subfolders are classes of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zscr.data.collection import ClassInfo, Draft, Item, new_collection
from zscr.data.names import written
from zscr.data.sources.captions import CAPTIONS, Captions, read_captions
from zscr.data.sources.class_split import FEWEST, LISTS, split_classes
from zscr.data.sources.definitions import spoken
from zscr.data.sources.found import copy_image, name_of, origin, refuse_inside, walk_source
from zscr.data.walk import Walk, WalkRules
from zscr.disk import require_space
from zscr.errors import InputError

PROTOCOL = "classes of a folder, unseen and validation ones held out; relevant is the same class"


def convert_folder(
    source: Path,
    out: Path,
    *,
    seed: int = 7,
    unseen: float | int = 0.2,
    val: float | int = 0.2,
    exclude: tuple[str, ...] = (),
    follow_links: bool = False,
) -> None:
    """Convert `source/<class>/**` into the collection `out`; ids are the images' paths.

    `captions.txt` (see `read_captions`) gives items their texts; a class without any caption is
    described by `a photo of a …`. `unseen.txt` and `val.txt`, a class a line, replace the choice.
    What cannot be used (a damaged image, one outside the class folders, captions of no image)
    is listed in the collection's `errors.jsonl`; what is no image, or lies in hidden or linked
    folders, is counted in its provenance.

    Args:
        source: the folder.
        out: the collection to make; must not exist.
        seed: of the choice of classes.
        unseen: share or number of all classes to hold out for the test.
        val: share or number of the remaining ones to hold out for validation.
        exclude: patterns of what to leave out, as in `.gitignore`.
        follow_links: whether linked folders are entered.

    Raises:
        InputError: fewer than 4 classes, no usable image in a split, or a bad list or caption.
        ConfigError: `unseen` or `val` leave nothing to train on, or a pattern cannot be read.
    """
    refuse_inside(source, out)
    walked = walk_source(source, WalkRules(exclude, follow_links), (CAPTIONS, *LISTS.values()))
    images = _classes(walked)
    require_space(out, sum((source / image).stat().st_size for image in images))
    classes = sorted(set(images.values()) - {""})
    _require_enough(source, classes)
    split_of = split_classes(source, classes, seed, unseen, val)
    captions = _captions(source, images)
    provenance = {**origin(source), "seed": seed, "passed": dict(walked.passed)}
    with new_collection(
        out, name=name_of(source), protocol=PROTOCOL, provenance=provenance
    ) as draft:
        for image in captions.unknown if captions else ():
            draft.skip(f"{CAPTIONS}: {image}", "captions an image that is not there")
        for path, class_id in images.items():
            _add_image(draft, source, path, split_of.get(class_id), captions)
        _add_classes(draft, split_of)


def _classes(walked: Walk) -> dict[Path, str]:
    """Return the class of every image, by its relative path; "" for one in no class folder."""
    found = (image.path.relative_to(walked.folder) for image in walked.images)
    return {path: path.parts[0] if len(path.parts) > 1 else "" for path in found}


def _require_enough(source: Path, classes: list[str]) -> None:
    if len(classes) < FEWEST:
        raise InputError(
            f"{source} has {len(classes)} class folders with images, zero-shot training needs "
            f"{FEWEST} or more: put the images into a folder a class, or, where {CAPTIONS} says "
            f"what they show, use 'zscr data convert captions'"
        )


def _captions(source: Path, images: Mapping[Path, str]) -> Captions | None:
    path = source / CAPTIONS
    if not path.is_file():
        return None
    return read_captions(path, [image.as_posix() for image in images])


def _add_image(
    draft: Draft, source: Path, path: Path, split: str | None, captions: Captions | None
) -> None:
    """Copy one image and add its item, or record why not."""
    name = written(path)
    if split is None:
        draft.skip(name, "it lies in no class folder")
    elif file := copy_image(draft, source, path):
        texts = captions.of.get(name, ()) if captions else ()
        draft.add_item(Item(name, split, path.parts[0], file, texts=texts))


def _add_classes(draft: Draft, split_of: Mapping[str, str]) -> None:
    """Add the classes that have an item; the others are recorded, and no split may be empty."""
    used = {item.class_id for item in draft.items}
    captioned = {item.class_id for item in draft.items if item.texts}
    for class_id, split in split_of.items():
        name = spoken(class_id)
        texts = () if class_id in captioned else (f"a photo of a {name}",)
        if class_id in used:
            draft.add_class(ClassInfo(class_id, name, texts), split)
        else:
            draft.skip(written(Path(class_id)), "no usable image")
    empty = [split for split, classes in draft.splits.items() if not classes]
    if empty:
        first = draft.skipped[0]
        raise InputError(
            f"no class of split '{empty[0]}' has a usable image; the first of "
            f"{len(draft.skipped)} faults is {first['source']}: {first['reason']}"
        )
