"""Makes a zero-shot collection of WIKI (Rasiwasia et al. 2010): article texts and their images.

The published vectors are all that there is: 128-d histograms of SIFT words and 10-d LDA topics.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from zscr.data.collection import ClassInfo, Draft, Item, new_collection
from zscr.data.sources.archive import opened
from zscr.data.sources.origin import described, find_root, read_lines
from zscr.data.splits import hold_out
from zscr.errors import InputError, MissingExtraError

UNSEEN, VAL = 5, 2  # of 10 classes; the 3 others are trained on
FEATURES, CATEGORIES = "raw_features.mat", "categories.list"
_PARTS = {"trainset_txt_img_cat.list": "tr", "testset_txt_img_cat.list": "te"}

# What scipy raises for a damaged file, besides its own error.
_DAMAGE = (OSError, LookupError, ValueError, TypeError, zlib.error)

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Documents:
    """N documents, class after class: ids, class ids, images (N, I) and texts (N, T)."""

    ids: list[str]
    classes: list[str]
    images: Rows
    texts: Rows


def convert_wiki(source: Path, out: Path, *, seed: int = 7) -> None:
    """Convert the published folder, or a ZIP of it, into the collection `out`.

    A document is an item; row i of `vectors/image.npy` and of `vectors/text.npy` is item i's, so
    images and texts stay paired. The published split into training and test documents has the
    same classes on both sides; its documents are pooled and split by class.

    Args:
        source: folder or ZIP with `raw_features.mat`, `categories.list` and the two lists.
        out: the collection to make; must not exist.
        seed: of the choice of the 5 unseen classes, and of the 2 validation ones of the others.

    Raises:
        InputError: files are missing, damaged, or do not fit each other.
        MissingExtraError: scipy, which reads MATLAB's format, is not installed.
    """
    with opened(source) as folder:
        root = find_root(source, folder, FEATURES)
        names = read_lines(root / CATEGORIES)
        documents = _read_documents(root, names)
    unseen = hold_out(names, UNSEEN, seed=seed)
    val = hold_out([name for name in names if name not in unseen], VAL, seed=seed)
    split_of = dict.fromkeys(names, "seen") | dict.fromkeys(val, "val")
    split_of |= dict.fromkeys(unseen, "unseen")
    protocol = (
        f"WIKI (Rasiwasia et al. 2010) zero-shot, classes drawn with seed {seed}: unseen "
        f"{', '.join(unseen)}; validation {', '.join(val)}; published training and test documents "
        f"pooled; every unseen text asks, the gallery is all images of the unseen classes"
    )
    provenance = {**described(source), "seed": seed}
    with new_collection(out, name="wiki", protocol=protocol, provenance=provenance) as draft:
        _fill(draft, documents, split_of)


def _fill(draft: Draft, documents: _Documents, split_of: Mapping[str, str]) -> None:
    """Add classes, items and both arrays, in the order of the documents."""
    for name, split in split_of.items():
        start = documents.classes.index(name)
        rows = (start, start + documents.classes.count(name))
        draft.add_class(ClassInfo(name, name, text_rows=rows), split)
    for name, number in zip(documents.classes, documents.ids, strict=True):
        draft.add_item(Item(f"{name}/{number}", split_of[name], name))
    draft.save_vectors("image", documents.images)
    draft.save_vectors("text", documents.texts)


def _read_documents(root: Path, names: list[str]) -> _Documents:
    """Read both parts and put them into the order of the classes, which the sort keeps stable."""
    arrays, ids, numbers = _read_arrays(root / FEATURES), [], []
    for file, part in _PARTS.items():
        listed = _read_list(root / file, len(names))
        sizes = [len(listed), len(arrays[f"I_{part}"]), len(arrays[f"T_{part}"])]
        if len({*sizes}) > 1:
            raise InputError(
                f"{root / file} lists {sizes[0]} documents, but {FEATURES} holds {sizes[1]} images "
                f"and {sizes[2]} texts of them; fetch the set again"
            )
        ids += [name for name, _ in listed]
        numbers += [number for _, number in listed]
    lost = [name for number, name in enumerate(names, 1) if number not in numbers]
    if lost:
        raise InputError(f"{root}: no document is of the category {lost[0]}; fetch the set again")
    order = np.argsort(numbers, kind="stable")
    images, texts = (
        np.concatenate([arrays[f"{kind}_{part}"] for part in _PARTS.values()]) for kind in "IT"
    )
    classes = [names[numbers[row] - 1] for row in order]
    return _Documents([ids[row] for row in order], classes, images[order], texts[order])


def _read_list(path: Path, categories: int) -> list[tuple[str, int]]:
    """Read a list's lines `text id, image id, category` -> text ids and categories from 1."""
    rows = []
    for line in read_lines(path):
        text, *rest = line.split("\t")
        if not (len(rest) == 2 and rest[1].isdecimal() and 1 <= int(rest[1]) <= categories):
            raise InputError(
                f"{path}: {line[:80]!a} is no text, image and category; fetch it again"
            )
        rows.append((text, int(rest[1])))
    return rows


def _read_arrays(path: Path) -> dict[str, Rows]:
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        raise MissingExtraError("reading MATLAB's format", "matlab") from error
    names = [f"{kind}_{part}" for kind in "IT" for part in _PARTS.values()]
    try:
        content = loadmat(path, variable_names=names)
        arrays = {name: np.asarray(content[name], np.float32) for name in names}
    except (MatReadError, *_DAMAGE) as error:
        raise InputError(f"{path} is not WIKI's matrices ({error!r}); fetch it again") from error
    wrong = [n for n, array in arrays.items() if array.ndim != 2 or not np.isfinite(array).all()]
    if wrong:
        raise InputError(f"{path}: {wrong[0]} is no matrix of finite numbers; fetch it again")
    return arrays
