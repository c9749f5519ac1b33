"""Makes a collection without classes of images and what is said of each, such as Flickr8k."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from zscr.data.collection import SPLITS, Draft, Item, new_collection
from zscr.data.names import written
from zscr.data.sources.archive import opened
from zscr.data.sources.captions import CAPTIONS, Captions, read_captions
from zscr.data.sources.found import copy_image, name_of, origin, refuse_inside, walk_source
from zscr.data.sources.origin import described, find_root
from zscr.data.splits import split_items
from zscr.data.walk import Walk, WalkRules, walk
from zscr.disk import require_space
from zscr.errors import InputError
from zscr.progress import say

FEWEST = 3  # captioned images: one to train on, one for validation, one to judge on


def convert_captions(
    source: Path,
    out: Path,
    *,
    seed: int = 7,
    unseen_images: float | int = 0.2,
    val_images: float | int = 0.1,
    exclude: tuple[str, ...] = (),
    follow_links: bool = False,
) -> None:
    """Convert images and their `captions.txt` into the collection `out`, which has no classes.

    Ids are the images' paths below the folder that holds them all. Items are split in the order of
    a hash of seed and id (see `split_items`). What cannot be used, be it a damaged image, one
    without a caption, or captions of no image, is listed in the collection's `errors.jsonl`.

    Args:
        source: a folder with `captions.txt` (see `read_captions`) and images at or below it, or a
            ZIP of such.
        out: the collection to make; must not exist.
        seed: of the split.
        unseen_images: share or number of the captioned images to judge on; the share 1.0 is all of
            them, for models that are not trained here.
        val_images: share or number of the captioned images for validation.
        exclude: patterns of what to leave out, as in `.gitignore`.
        follow_links: whether linked folders are entered.

    Raises:
        InputError: there is no `captions.txt` that can be read, fewer than 3 images have captions,
            or none of a split can be used.
        ConfigError: the held-out images leave nothing to train on, or a pattern cannot be read.
    """
    refuse_inside(source, out)
    with opened(source) as at:
        packed = not source.is_dir()
        folder = find_root(source, at, CAPTIONS) if packed else at
        walked = walk_source(folder, WalkRules(exclude, follow_links), (CAPTIONS,))
        captions = _captions(source, walked)
        split_of = _splits(source, captions, unseen_images, val_images, seed)
        require_space(out, sum((folder / name).stat().st_size for name in split_of))
        provenance = described(source) if packed else origin(source)
        with new_collection(
            out,
            name=source.stem if packed else name_of(source),
            protocol=_protocol(split_of, seed),
            provenance={**provenance, "seed": seed, "passed": dict(walked.passed)},
        ) as draft:
            _add(draft, walked, captions, split_of)
            _refuse_empty(draft, source, {*split_of.values()})


def is_captioned(source: Path) -> bool:
    """Say whether a folder is one of captions, and not of classes: its images lie in one folder."""
    if not (source / CAPTIONS).is_file():
        return False
    found = walk(source)
    folders = {image.path.relative_to(found.folder).parent.parts[:1] for image in found.images}
    return len(folders) < 2


def _captions(source: Path, walked: Walk) -> Captions:
    if not (walked.folder / CAPTIONS).is_file():
        raise InputError(
            f"{source} has no {CAPTIONS}; write one with a line 'image,caption' for each caption"
        )
    if not walked.images:
        raise InputError(
            f"{source} holds no image that {CAPTIONS} could caption; put them beside it"
        )
    images = [written(image.path.relative_to(walked.folder)) for image in walked.images]
    captions = read_captions(walked.folder / CAPTIONS, images)
    _tell_shared(captions)
    return captions


def _tell_shared(captions: Captions) -> None:
    """Say how many captions stand at several images, of which each is right for its own alone."""
    images = Counter(text for texts in captions.of.values() for text in {*texts})
    if shared := sum(count > 1 for count in images.values()):
        say(f"{shared} captions stand at more than one image; each asks for its own image alone")


def _splits(
    source: Path, captions: Captions, unseen: float | int, val: float | int, seed: int
) -> dict[str, str]:
    """Return the split of every captioned image, by its path below the source."""
    if isinstance(unseen, float) and unseen == 1:
        return dict.fromkeys(captions.of, "unseen")
    if len(captions.of) < FEWEST:
        raise InputError(
            f"{CAPTIONS} of {source} has captions of {len(captions.of)} of its images, and a "
            f"collection needs {FEWEST} or more: to train on, for validation and to judge on; with "
            f"'zscr data convert captions --unseen 1.0' all are judged on"
        )
    return split_items([*captions.of], {"unseen": unseen, "val": val}, seed=seed)


def _protocol(split_of: Mapping[str, str], seed: int) -> str:
    size = Counter(split_of.values())
    return (
        f"captions ask for their own image and images for any of their captions (Karpathy and "
        f"Fei-Fei 2015); {size['seen']} images to train on, {size['val']} for validation, "
        f"{size['unseen']} to judge on, by a hash of id and seed {seed}"
    )


def _add(draft: Draft, walked: Walk, captions: Captions, split_of: Mapping[str, str]) -> None:
    """Add every image that has captions; record the others, and the captions of no image."""
    for name in captions.unknown:
        draft.skip(f"{CAPTIONS}: {name}", "captions an image that is not there")
    images = [image.path.relative_to(walked.folder) for image in walked.images]
    base = Path(os.path.commonpath([image.parent for image in images]))
    for image in images:
        name = written(image)
        if name not in captions.of:
            draft.skip(name, "it has no caption")
        elif file := copy_image(draft, walked.folder / base, image.relative_to(base)):
            id_, texts = written(image.relative_to(base)), captions.of[name]
            draft.add_item(Item(id_, split_of[name], image=file, texts=texts))


def _refuse_empty(draft: Draft, source: Path, wanted: set[str]) -> None:
    """Refuse a split of which every image was skipped."""
    for split in (name for name in SPLITS if name in wanted):
        if not any(item.split == split for item in draft.items):
            first = draft.skipped[0]
            raise InputError(
                f"no image of split '{split}' of {source} can be used; the first of "
                f"{len(draft.skipped)} faults is {first['source']}: {first['reason']}"
            )
