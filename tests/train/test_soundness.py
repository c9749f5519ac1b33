"""Features that cannot be trained on are refused in one sentence with both values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zscr.errors import CollectionError, InputError, MismatchError
from zscr.infer.features.split import SplitFeatures
from zscr.train.soundness import check_dims, check_trainable


def make_split(images: list[int]) -> SplitFeatures:
    """Classes a, b, … with so many images each, and one text each."""
    rng, classes = np.random.default_rng(0), tuple("abcdef"[: len(images)])
    starts = np.concatenate([[0], np.cumsum(images)]).astype(np.int64)
    rows = rng.standard_normal((int(starts[-1]), 3), np.float32)
    texts = rng.standard_normal((len(images), 2), np.float32)
    ids = tuple(map(str, range(len(rows))))
    return SplitFeatures(classes, rows, ids, starts, texts, np.arange(len(images) + 1))


def test_a_class_with_one_image_is_refused() -> None:
    """It is named, with how many there are and must be."""
    check_trainable(make_split([2, 2, 3]))
    with pytest.raises(CollectionError, match=r"1 of 3 seen classes .* 2 images \('b' has 1\)"):
        check_trainable(make_split([2, 1, 3]))


@pytest.mark.parametrize("name", ["images", "texts"])
def test_constant_features_are_refused(name: str) -> None:
    """All rows equal, whatever they hold; a single different number is enough to be let pass."""
    split = make_split([2, 2, 3])
    rows = np.full_like(getattr(split, name), 0.5)
    rows[-1, -1] = 0.6
    check_trainable(replace(split, **{name: rows}))
    rows[-1, -1] = 0.5
    with pytest.raises(InputError, match=f"all {len(rows)} seen {name} have the same feature"):
        check_trainable(replace(split, **{name: rows}))


def test_other_dimensions_than_the_checkpoint_are_refused() -> None:
    """Both are named."""
    split, run = make_split([2, 2]), Path("runs/x")
    check_dims(run, {"text": 2, "image": 3}, split)
    with pytest.raises(MismatchError, match="on image features of 9 dimensions and these have 3"):
        check_dims(run, {"text": 2, "image": 9}, split)
    with pytest.raises(MismatchError, match="on text features of 8 dimensions and these have 2"):
        check_dims(run, {"text": 8, "image": 3}, split)
