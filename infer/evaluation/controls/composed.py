"""Controls of tasks whose queries have an image or a sketch: how far do their parts go alone?

A composed query (an image, and a text that says what is to be different) is only understood where
a model beats each part and the plain mean of both, in the space that the parts share.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import numpy as np

from zscr.data.tasks import Task
from zscr.errors import InputError
from zscr.infer.evaluation.controls.control import CHANCE, random_unit, unit
from zscr.infer.evaluation.embedded import Embedded, Vectors

PARTS = ("image", "sketch", "text")


def part_controls(
    parts: Mapping[str, Vectors], gallery: Vectors, task: Task, *, seed: int = 7
) -> dict[str, Embedded]:
    """Return what each part of the queries finds alone, what their mean finds, and chance.

    Args:
        parts: `image`, `sketch` and `text`, as many as the queries have -> (Q, D) embeddings.
        gallery: (G, D) embeddings of the task's gallery in the same space.
        task: what is asked.
        seed: of the random vectors.

    Returns:
        `image only`, `sketch only`, `text only`, with two parts or more `mean of image and text`
        (of unit vectors, and unit itself), and `random ranking`.

    Raises:
        InputError: a part is unknown or does not fit the gallery or the task.
    """
    _check(parts, gallery)
    named = {part: unit(parts[part]) for part in PARTS if part in parts}
    queries = {f"{part} only": rows for part, rows in named.items()}
    if len(named) > 1:
        stacked = np.stack([*named.values()])
        queries[f"mean of {' and '.join(named)}"] = unit(stacked.mean(0, dtype=np.float64))
    found = {name: Embedded(task, rows, unit(gallery)) for name, rows in queries.items()}
    rng = np.random.default_rng(seed)
    sides = random_unit(rng, len(task.queries)), random_unit(rng, len(gallery))
    return found | {CHANCE: Embedded(task, *sides)}


def _check(parts: Mapping[str, Vectors], gallery: Vectors) -> None:
    unknown = sorted(set(parts) - set(PARTS))
    if unknown or not parts:
        raise InputError(
            f"parts of queries are {', '.join(PARTS)}, not '{', '.join(unknown)}'; give one or more"
        )
    shapes = {name: rows.shape for name, rows in chain(parts.items(), [("gallery", gallery)])}
    if len({shape[1:] for shape in shapes.values()}) > 1 or len({*map(len, parts.values())}) > 1:
        shown = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(
            f"the parts of the queries do not fit together or to the gallery: {shown}; embed all "
            f"with one model, one row a query"
        )
