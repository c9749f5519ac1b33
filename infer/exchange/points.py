"""An image as a point of Qdrant, on a server or in an Edge folder."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np

from zscr.errors import InputError
from zscr.infer.exchange.gallery import Block
from zscr.infer.exchange.rows import entry_of

_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "zscr:image")


def point_id(image_id: str) -> str:
    """Return the id of an image's point: the same each time, so that it is written over."""
    return str(uuid.uuid5(_IDS, image_id))


def block_of(points: Sequence[Any], dim: int, where: str) -> Block:
    """Return points that were read, with payload and vector, as a block.

    Raises:
        InputError: a point is no image, or has no vector, several, or one of another length.
    """
    try:
        entries = [entry_of(point.payload or {}) for point in points]
        vectors = np.array([point.vector for point in points], np.float32)
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: {error}; a point is an image with one vector") from error
    if vectors.shape != (len(points), dim):
        raise InputError(f"{where} has points of {vectors.shape}, not of {dim} dimensions")
    return Block(entries, vectors)
