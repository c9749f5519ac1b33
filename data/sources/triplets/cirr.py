"""Makes a collection of CIRR (Liu et al., ICCV 2021): the tasks `val`, `val-subset` and `test1`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zscr.data.collection import new_collection
from zscr.data.relevance import Truth
from zscr.data.sources.archive import opened
from zscr.data.sources.origin import described
from zscr.data.sources.triplets.annotations import (
    bare_name,
    find_layout,
    published_id,
    read_annotations,
    spoken,
)
from zscr.data.sources.triplets.images import SUFFIXES, add_items, located, put
from zscr.data.sources.triplets.triplet import Triplet, add_task
from zscr.data.task_files import TaskInfo
from zscr.errors import InputError
from zscr.schema import listing, mapping, record, words

FOLDERS = {"val": "dev", "test1": "test1"}  # published split -> its images, where they lie flat
FIGURES, SUBSET_FIGURES = ("R@1", "R@5", "R@10", "R@50"), ("R@1", "R@2", "R@3")
PROTOCOL = "CIRR rc2 {}, {:,} images, the reference removed from its ranking"
_CAPTIONS = listing(
    record(
        {
            "pairid": published_id,
            "reference": words,
            "caption": words,
            "img_set": record({"members": listing(words)}),
        },
        {"target_hard": words},
    )
)

Names = Mapping[str, str]  # of a split's images -> how it writes their files


def convert_cirr(source: Path, out: Path, *, skip_missing: bool = False) -> None:
    """Convert CIRR into the collection `out`, as far as its splits val and test1 are there.

    Tasks: `val` ranks all images of the split, `val-subset` those of the query's own image set;
    `test1`, whose answers a server keeps, gives that server's two files. The reference image is
    left out of each ranking. Texts are the captions alone; a `*` in one is left out.

    Args:
        source: a folder or ZIP with `captions/` and `image_splits/` beside the images, or with both
            of them in `cirr/` (SEARLE's layout); or the folder above.
        out: the collection to make; must not exist.
        skip_missing: leave out and count images that are missing, as damaged ones always are.

    Raises:
        InputError: the annotations cannot be read, or an image is missing.
    """
    with opened(source) as folder:
        markers = [f"captions/cap.rc2.{split}.json" for split in FOLDERS]
        found = find_layout(source, folder, markers)
        there = [split for split in FOLDERS if (found / f"captions/cap.rc2.{split}.json").is_file()]
        captions = {s: read_annotations(_file(found, "captions/cap", s), _CAPTIONS) for s in there}
        images = {split: _images(found, split) for split in there}
        names = {name: path for split in there for name, path in images[split].items()}
        places = located(source, folder, names, SUFFIXES, skip=skip_missing)
        with new_collection(
            out, name="cirr", protocol="CIRR rc2", provenance=described(source)
        ) as draft:
            add_items(draft, files := put(draft, places))
            for split in there:
                for info in _tasks(split, images[split]):
                    add_task(draft, info, _triplets(split, info, captions[split]), files)


def _file(found: Path, kind: str, split: str) -> Path:
    return found / f"{kind}.rc2.{split}.json"


def _images(found: Path, split: str) -> Names:
    """Return the images of a split: it says the path of each, or lists names alone."""
    listed = read_annotations(_file(found, "image_splits/split", split), _listed)
    if not isinstance(listed, dict):
        listed = {name: f"{FOLDERS[split]}/{bare_name(name)}" for name in listed}
    return {bare_name(name): path.removesuffix(".png") for name, path in listed.items()}


def _listed(value: Any, where: str) -> None:
    """Take names, or an object of names and paths; see `schema`."""
    (mapping(words) if isinstance(value, dict) else listing(words, 1))(value, where)


def _tasks(split: str, images: Names) -> Iterator[TaskInfo]:
    protocol = PROTOCOL.format(split, len(images))
    galleries = {split: tuple(images)}
    server = "cirr" if split == "test1" else None
    yield TaskInfo(split, figures=FIGURES, protocol=protocol, galleries=galleries, server=server)
    if server:
        return
    protocol += ", of its image set alone"
    name = f"{split}-subset"
    yield TaskInfo(name, protocol=protocol, figures=SUBSET_FIGURES, galleries=galleries)


def _triplets(split: str, info: TaskInfo, captions: list[dict[str, Any]]) -> Iterator[Triplet]:
    """Yield a split's queries; a server's task ranks all images, and its subsets as well."""
    for row in captions:
        reference, texts = bare_name(row["reference"]), (spoken(row["caption"]),)
        members = tuple(map(bare_name, row["img_set"]["members"]))
        right = {} if info.server else {_target(split, row): 1.0}
        truth = Truth(right, (reference,), () if info.name == split == "val" else members)
        group = str(row["img_set"].get("id", reference))
        yield Triplet(str(int(row["pairid"])), reference, texts, truth, group)


def _target(split: str, row: Mapping[str, Any]) -> str:
    if "target_hard" not in row:
        raise InputError(
            f"query {row['pairid']} of CIRR's {split} has no target_hard; fetch it anew"
        )
    return bare_name(row["target_hard"])
