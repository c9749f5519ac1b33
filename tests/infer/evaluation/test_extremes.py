"""The best and worst queries: which they are, and what they are shown with."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zscr.data.records import Query
from zscr.data.relevance import ByItem, Truth
from zscr.infer.evaluation.extremes import find_extremes

ASKED, FOUND = ["a", "a", "b", "b", "c"], ["a", "a", "b", "b", "c"]
IDS = tuple(f"p{n}" for n in range(5))
TEXTS = ["a good", "a bad", "b good", "b bad", "c only"]


def rows(degrees):
    turned = np.radians(degrees)
    return np.stack([np.cos(turned), np.sin(turned)], 1)


@pytest.fixture
def embedded(embedded_of):
    """The good queries are perfect, and so is c's only one; the bad ones find theirs last."""
    queries = tuple(Query(str(n), vector=np.zeros(2, np.float32)) for n in range(1, 6))
    turned = rows([0, 90, 80, 40, 60]), rows([0, 10, 90, 95, 55])
    return embedded_of(*turned, ASKED, FOUND, gallery=IDS, queries=queries)


def test_one_query_a_group_best_and_worst_first(embedded):
    """Three groups give two of each; no query is both, and equals stand in the task's order."""
    found = find_extremes(embedded, TEXTS, {})
    assert [a.query.text for a in found.best] == ["a good", "b good"]
    assert [a.query.text for a in found.worst] == ["a bad", "b bad"]
    assert [a.query.id for a in found.best] == ["1", "3"]
    assert found.best[0].query.fields == {"text"}, "a label stands in for a vector"
    assert found.best[0].notes == ("a · average precision 1.000",)
    assert len(find_extremes(embedded, TEXTS, {}, shown=1).best) == 1


def test_hits_are_the_first_items_with_verdict_and_image(embedded):
    """By cosine, best first; items without an image are shown by their id alone."""
    images, classes = {"p0": Path("a.png")}, dict(zip(IDS, FOUND, strict=True))
    hits = find_extremes(embedded, TEXTS, images, classes=classes).best[0].hits
    assert [h.id for h in hits] == ["p0", "p1", "p4", "p2", "p3"]
    assert [h.rank for h in hits] == [1, 2, 3, 4, 5]
    assert [h.correct for h in hits] == [True, True, False, False, False]
    assert [h.image for h in hits] == ["a.png", None, None, None, None]
    assert [h.class_id for h in hits] == ["a", "a", "c", "b", "b"]
    assert hits[2].score == pytest.approx(np.cos(np.radians(55)))
    assert find_extremes(embedded, TEXTS, images).best[0].hits[0].class_id is None


def test_left_out_items_are_not_shown(embedded):
    """The reference image of a composed query is no answer to it, and its parts are shown."""
    queries = tuple(Query(str(n), text="larger", image="p.png") for n in range(5))
    truths = [Truth({"p2": 0.5}, exclude=("p0",)), *[Truth({"p1": 1})] * 4]
    relevance = ByItem(truths, IDS)
    task = replace(embedded.task, queries=queries, relevance=relevance, groups=tuple("abcde"))
    found = find_extremes(replace(embedded, task=task), TEXTS, {})
    [answer] = [a for a in found.best + found.worst if a.query.id == "0"]
    assert answer.query == queries[0], "it says itself what it asks for"
    assert [(h.rank, h.id, h.correct) for h in answer.hits] == [
        (1, "p1", False),
        (2, "p4", False),
        (3, "p2", True),
        (4, "p3", False),
    ]
    assert answer.notes == ("a · average precision 0.333",)


def test_a_long_ranking_is_cut(embedded_of):
    """At ten items, however many are left out before them."""
    turned = rows([0]), rows(range(30))
    relevance = ByItem([Truth({"p9": 1}, exclude=("p0", "p1"))], [f"p{n}" for n in range(30)])
    ids = tuple(relevance.gallery)
    embedded = embedded_of(*turned, "a", "a" * 30, gallery=ids, relevance=relevance)
    hits = find_extremes(embedded, ["one"], {}).best[0].hits
    assert [h.id for h in hits] == [f"p{n}" for n in range(2, 12)]
    assert [h.correct for h in hits] == [n == 9 for n in range(2, 12)]


def test_a_single_query_is_the_best_and_there_is_no_worst(embedded_of):
    """It is not shown twice."""
    found = find_extremes(embedded_of(rows([0]), rows([0, 9]), "a", "aa"), ["one"], {})
    assert ([a.query.text for a in found.best], found.worst) == (["a"], ())


def test_a_missed_caption_is_shown_with_its_image(embedded_of):
    """Its own image follows the first ten, with its rank; a found one has no eleventh."""
    angles = np.linspace(0, np.pi / 2, 12)
    gallery = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    names = [f"i{n}" for n in range(12)]
    truths = [Truth({"i11": 1.0}), Truth({"i11": 1.0, "i2": 1.0})]
    changes = {"gallery": tuple(names), "relevance": ByItem(truths, names), "groups": ("a", "b")}
    embedded = embedded_of(gallery[[0, 0]], gallery, ["far", "near"], names, **changes)
    found = find_extremes(embedded, ["far", "near"], {})
    [near], [far] = found.best, found.worst
    assert [hit.rank for hit in far.hits] == [*range(1, 11), 12]
    assert (far.hits[-1].id, far.hits[-1].correct) == ("i11", True)
    assert far.notes == ("the first right one stands at rank 12",)
    assert ([hit.rank for hit in near.hits], near.notes[0][-6:]) == ([*range(1, 11)], "rank 3")
