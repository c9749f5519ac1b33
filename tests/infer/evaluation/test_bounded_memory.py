"""The memory of an evaluation: blocks of queries, never all of them by the whole gallery."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from zscr.data.records import Query
from zscr.data.relevance import ByLabel
from zscr.data.tasks import Task
from zscr.infer.evaluation.controls.neighbours import neighbours
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.gallery_use import expanded
from zscr.infer.index.expansion import Expansion

QUERIES, GALLERY = 4000, 2500
WHOLE = QUERIES * GALLERY * 8  # bytes of every query's order of the gallery: 80 MB


@pytest.fixture(scope="module")
def embedded():
    """Return a task of many queries over ten classes."""
    rng = np.random.default_rng(0)
    asked, found = ([f"c{n % 10}" for n in range(size)] for size in (QUERIES, GALLERY))
    task = Task(
        name="sketch",
        protocol="",
        split="unseen",
        queries=tuple(Query.of("text", asked)),
        gallery=tuple(map(str, range(GALLERY))),
        field="image",
        relevance=ByLabel(asked, found),
        groups=tuple(asked),
        figures=("mAP interpolated", "mAP@200 interpolated", "Prec@100", "P@100"),
    )
    rows = rng.standard_normal((QUERIES + GALLERY, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Embedded(task, rows[:QUERIES], rows[QUERIES:], rows[QUERIES:])


@pytest.mark.parametrize(
    "work",
    [
        lambda embedded: embedded.report(),
        lambda embedded: expanded(embedded, Expansion(5)),
        lambda embedded: [*neighbours(embedded.task, embedded.scorer, 5)],
    ],
    ids=["figures", "expansion", "neighbours"],
)
def test_no_array_of_all_queries_by_all_images_is_ever_held(embedded, work):
    """Neither as one, nor as views of blocks that outlive them."""
    tracemalloc.start()
    try:
        work(embedded)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 0.8 * WHOLE, f"{most / 1e6:.0f} MB"
