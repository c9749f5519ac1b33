"""What is measured is what users call."""

from __future__ import annotations

from pathlib import Path

from zscr.data.records import Query, Term
from zscr.infer.bench.subject import STAGES, Subject
from zscr.infer.bench.times import Stopwatch
from zscr.infer.index.on_device.device import Device
from zscr.infer.index.on_device.search import DeviceSearch
from zscr.infer.searcher import Searcher


def test_an_answer_in_stages_is_the_searchers(subject: Subject, clock) -> None:
    """Field by field, of texts that are cut, hold unknown characters, and are in the examples."""
    texts = [
        "a red wren",
        "a robin",
        "a tit: 2 of them!",
        "e\u0301 is one character or two",
        "x" * 90,
    ]
    watch = Stopwatch(clock)
    answers = subject.searcher.search(texts, k=5)
    assert [subject.answer_in_stages(one.query, watch) for one in answers] == answers
    assert [subject.answer(one.query) for one in answers] == answers
    assert any(one.notes for one in answers)
    assert [*watch.times] == [*STAGES]


def test_an_image_has_the_same_stages(subject: Subject, clock, images) -> None:
    """It goes through the gallery graph."""
    [path] = images(1)
    [answer] = subject.searcher.search(images=[path], k=5)
    assert subject.answer_in_stages(answer.query, Stopwatch(clock)) == answer


def test_a_calibrated_index_and_classes_are_seen_in_stages(searcher, clock) -> None:
    """A trained model's answers hold marks and shares of unrelated queries: the same ones."""
    subject = Subject("trained", searcher, 7)
    answers = searcher.search([*searcher.bundle.examples][:6], k=7)
    assert [subject.answer_in_stages(one.query, Stopwatch(clock)) for one in answers] == answers
    assert {hit.correct for one in answers for hit in one.hits} == {True, False}
    assert any(hit.above_unrelated is not None for one in answers for hit in one.hits)


def test_a_search_on_a_device_is_measured_there(pair: Path, clock) -> None:
    """Where users' queries are searched on a GPU; what ran, and the report, name it."""
    device, own = DeviceSearch(Device("cpu"), lambda: 1 << 40), Searcher.open(pair / "other")
    there = Subject("there", Searcher(own.bundle, own.index, device=device), 5)
    [answer] = there.searcher.search("a robin", k=5)
    assert there.answer_in_stages(answer.query, Stopwatch(clock)) == answer
    assert device.answered.total() == 2
    assert there.about()["search"].startswith("exact, on cpu")


def test_sums_have_no_stages(subject: Subject) -> None:
    """They are embedded by several calls of a graph."""
    assert subject.has_stages(Query("1", text="a robin"))
    assert not subject.has_stages(Query("1", terms=(Term(Query(text="a robin")),)))
