"""Splits and embedded tasks made of plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from zscr.data.records import Query
from zscr.data.relevance import ByLabel
from zscr.data.tasks import Task
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.features.table import Split, Table, starts_of


@pytest.fixture(scope="session")
def split_of() -> Callable[..., Split[Any]]:
    """Return a function that makes a split of image rows, a class after the other, and texts."""

    def make(images: Any, classes: Sequence[str], texts: Any = None, each: int = 1) -> Split[Any]:
        names = tuple(dict.fromkeys(classes))
        found = starts_of([list(classes).count(name) for name in names])
        texts = np.eye(len(names)) if texts is None else texts
        tables = {
            "image": Table(tuple(f"p{n}" for n in range(len(classes))), np.float32(images), found),
            "text": Table(
                tuple(f"t{n}" for n in range(len(texts))),
                np.float32(texts),
                starts_of([each] * len(names)),
            ),
        }
        return Split(names, tables)

    return make


@pytest.fixture(scope="session")
def embedded_of() -> Callable[..., Embedded]:
    """Return a function that makes an embedded task of rows and their classes."""

    def make(
        queries: Any, gallery: Any, asked: Sequence[str], found: Sequence[str], /, **changes: Any
    ) -> Embedded:
        settings = {"name": "text", "protocol": "test", "split": "unseen", "field": "image"}
        settings |= {"gallery": tuple(f"{name}/{n}" for n, name in enumerate(found))}
        settings |= {"queries": tuple(Query.of("text", asked)), "groups": tuple(asked)}
        settings |= {"relevance": ByLabel(list(asked), list(found))}
        task = Task(**(settings | changes))
        return Embedded(task, np.float32(queries), np.float32(gallery))

    return make
