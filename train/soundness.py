"""What features must be before they are trained on; each refusal names both values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zscr.errors import CollectionError, InputError, MismatchError
from zscr.infer.features.split import SplitFeatures

LEAST_IMAGES = 2  # of a seen class: one image says nothing of how its class varies


def check_trainable(seen: SplitFeatures) -> None:
    """Refuse seen features that nothing can be learnt from.

    Features that are not finite are refused when they are loaded (`load_split`).

    Raises:
        CollectionError: a class has a single image.
        InputError: all images, or all texts, have one and the same feature.
    """
    counts = np.diff(seen.image_starts)
    lone = [name for name, count in zip(seen.classes, counts, strict=True) if count < LEAST_IMAGES]
    if lone:
        raise CollectionError(
            f"{len(lone)} of {len(counts)} seen classes have fewer than {LEAST_IMAGES} images "
            f"('{lone[0]}' has {counts[seen.classes.index(lone[0])]}); add images or leave them out"
        )
    for name, rows in (("images", seen.images), ("texts", seen.texts)):
        if (rows == rows[0]).all():
            raise InputError(
                f"all {len(rows)} seen {name} have the same feature (its first number is "
                f"{rows[0, 0]:g}), so nothing can be told apart; compute the features again"
            )


def check_dims(folder: Path, dims: Mapping[str, int], split: SplitFeatures) -> None:
    """Refuse features of other dimensions than a run's checkpoint.

    Raises:
        MismatchError: they differ.
    """
    found = {"text": split.texts.shape[1], "image": split.images.shape[1]}
    for name, dim in found.items():
        if dim != dims[name]:
            raise MismatchError(
                f"{folder} was trained on {name} features of {dims[name]} dimensions and these "
                f"have {dim}; use the encoder that it was trained with"
            )
