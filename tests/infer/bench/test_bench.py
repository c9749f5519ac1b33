"""What a measurement keeps: of an index its recall, after a Ctrl-C the turns that were finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zscr.data.records import Query
from zscr.infer.bench.asked import Pool
from zscr.infer.bench.bench import Bench
from zscr.infer.bench.closed import run_single
from zscr.infer.bench.limit import Limit
from zscr.infer.bench.run import Run
from zscr.infer.bench.settings import Settings
from zscr.infer.bench.subject import STAGES, Subject
from zscr.infer.bench.sweep import Sweep, run_sweep
from zscr.infer.index.entry import Entry
from zscr.infer.index.index import Index
from zscr.infer.runners.runner import Runtime


class Interrupted:
    """Passes on what a subject does, until Ctrl-C is pressed in its whole answer to a query."""

    def __init__(self, subject: Subject, at: int) -> None:
        self.subject, self.name, self.left = subject, subject.name, at

    def answer(self, query: Query) -> Any:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return self.subject.answer(query)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.subject, name)


def test_a_ctrl_c_keeps_whole_turns(subject: Subject, clock) -> None:
    """In the fourth answer: three of every part are kept, of the same queries."""
    kept: list[Run] = []
    pressed: Any = Interrupted(subject, 4)
    queries = [Query("1", text="a robin")]
    with pytest.raises(KeyboardInterrupt):
        run_single([pressed], queries, Limit(9), seed=7, clock=clock, keep=kept.append)
    [run] = kept
    assert run.queries == 3
    assert {name: len(times.wall) for name, times in run.times.items()} == dict.fromkeys(
        ("whole", *STAGES), 3
    )


def test_recall_is_the_share_of_the_best_ten(tmp_path: Path, clock) -> None:
    """Of every ef what numpy counts by scores, with every image there twice; exact finds all."""
    rng = np.random.default_rng(7)
    half = rng.standard_normal((1500, 16))
    vectors = np.repeat(half / np.linalg.norm(half, axis=1, keepdims=True), 2, axis=0)
    asked = rng.standard_normal((30, 16))
    asked = (asked / np.linalg.norm(asked, axis=1, keepdims=True)).astype(np.float32)
    index = Index.create(
        tmp_path / "index",
        space="b" * 64,
        bundle_name="birds",
        entries=[Entry(f"{row}", f"{row:064x}") for row in range(3000)],
        vectors=vectors.astype(np.float32),
        search="hnsw",
    )
    kept: list[Sweep] = []
    run_sweep("birds", index, asked, "drawn", Limit(3), clock=clock, keep=kept.append)
    run_sweep("birds", index, asked, "drawn", Limit(60), clock=clock, keep=kept.append)
    few, many = kept
    assert (few.n, many.n) == (3, 30)
    assert {len(point.wall) for point in many.points} == {60}
    scores = np.sort(asked @ vectors.astype(np.float32).T, axis=1)[:, ::-1]
    for point in many.points:
        how = {"exact": True} if point.ef is None else {"ef": point.ef}
        found = np.array([[m.score for m in one] for one in index.search(asked, 10, **how)])
        assert point.recall == pytest.approx((found >= scores[:, 9:10] - 1e-5).mean())
    recalls = [point.recall for point in many.points]
    assert recalls[0] == 1
    assert recalls[1] < recalls[-1]


def test_an_index_without_a_sample_is_asked_by_the_queries(pair: Path) -> None:
    """By the vectors that the bundle makes of them, which the report says."""
    subject = Subject.open(pair / "other", None, Runtime(threads=1), 5)
    assert subject.searcher.index.now.hnsw is None
    pool = Pool(Query.of("text", ["a robin", "a wren", "tit"]), "three texts", 0)
    result = Bench([subject], pool, Settings(("index",), Limit(5))).run()
    [sweep] = result.sweeps
    assert [point.ef for point in sweep.points] == [None]
    assert (sweep.n, sweep.queries) == (3, "query modality, of this measurement")
