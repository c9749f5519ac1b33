"""Calls that are begun before their results are asked for."""

from __future__ import annotations

from threading import Event, enumerate, main_thread

import numpy as np
import pytest

from zscr.data.records import Query
from zscr.errors import ArtefactError, InputError
from zscr.infer.ahead import Ahead, one_ahead
from zscr.infer.bundle import Bundle
from zscr.infer.runners.runner import Runtime

TEXT, ONE = frozenset({"text"}), Runtime(threads=1)


def test_a_call_runs_beside_its_caller() -> None:
    """It ends by what its caller does after it has begun; its result may be asked for again."""
    begun, on = Event(), Event()
    ahead = Ahead(lambda: (begun.set(), on.wait(10)))
    assert begun.wait(10)
    on.set()
    assert ahead.result() == ahead.result() == (None, True)


def test_an_error_is_raised_where_the_result_is_asked_for() -> None:
    """And nowhere else."""
    ahead = Ahead(lambda: [].pop())
    for _ in range(2):
        with pytest.raises(IndexError, match="pop from empty list"):
            ahead.result()


def test_one_is_made_while_another_is_used() -> None:
    """In their order, and one at most: 2 is begun when 1 is handed out, 3 only after that."""
    made, begun = [], {number: Event() for number in range(1, 5)}

    def make(number: int) -> int:
        made.append(number)
        begun[number].set()
        return 10 * number

    results = one_ahead(make, [1, 2, 3, 4])
    assert (next(results), begun[2].wait(10), made) == (10, True, [1, 2])
    assert [*results] == [20, 30, 40]
    assert made == [1, 2, 3, 4]
    assert [*one_ahead(make, [])] == []


def test_who_stops_waits_for_what_was_begun() -> None:
    """So that nothing runs on behind an error; that of a later item is raised in its place."""
    ended = Event()

    def make(number: int) -> int:
        if number == 2:
            ended.wait(0.2)
            ended.set()
        return 1 // (3 - number)

    stopped = one_ahead(make, [1, 2])
    next(stopped)
    stopped.close()
    assert ended.is_set()
    later = one_ahead(make, [1, 3])
    assert next(later) == 0
    with pytest.raises(ZeroDivisionError):
        next(later)


def test_a_graph_is_loaded_ahead(make_bundle, tmp_path) -> None:
    """Once, whole, and the same: when it is asked for, its files are needed no more."""
    folder = make_bundle(tmp_path / "birds")
    texts = Query.of("text", ["a red wren", "tit"])
    expected = Bundle.open(folder, ONE).graph("query").encode(texts)
    bundle = Bundle.open(folder, ONE)
    bundle.load_ahead(TEXT)
    bundle.load_ahead(frozenset({"sketch"}))  # which no graph takes
    for thread in enumerate():
        if thread is not main_thread():
            thread.join(10)
    (folder / "query.onnx").unlink()
    assert bundle.route(TEXT) is bundle.route(TEXT)
    np.testing.assert_array_equal(bundle.route(TEXT).encode(texts), expected)
    with pytest.raises(InputError, match="not of sketch"):
        bundle.route(frozenset({"sketch"}))


def test_damage_is_told_to_who_asks_for_the_graph(make_bundle, tmp_path) -> None:
    """However often; the bundle's other graph is as good as before."""
    folder = make_bundle(tmp_path / "birds")
    content = bytearray((folder / "query.onnx").read_bytes())
    content[-1] ^= 1
    (folder / "query.onnx").write_bytes(content)
    bundle = Bundle.open(folder, ONE)
    bundle.load_ahead(TEXT)
    for _ in range(2):
        with pytest.raises(ArtefactError, match=r"query\.onnx is damaged"):
            bundle.route(TEXT)
    assert bundle.gallery.dim == bundle.dim
