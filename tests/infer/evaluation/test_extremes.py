"""The best and worst queries: which they are, and what they are shown with."""

from pathlib import Path

import numpy as np
import pytest

from zscr.infer.evaluation.embedded import Judged
from zscr.infer.evaluation.extremes import find_extremes


def judged_of(angles, classes, gallery_angles, gallery_classes):
    def rows(degrees):
        turned = np.radians(degrees)
        return np.stack([np.cos(turned), np.sin(turned)], 1).astype(np.float32)

    ids = tuple(f"p{n}" for n in range(len(gallery_classes)))
    return Judged(rows(angles), rows(gallery_angles), classes, gallery_classes, ids)


@pytest.fixture
def judged():
    """The good queries are perfect, and so is c's only one; the bad ones find theirs last."""
    asked = [0, 90, 80, 40, 60]
    return judged_of(
        asked, ["a", "a", "b", "b", "c"], [0, 10, 90, 95, 55], ["a", "a", "b", "b", "c"]
    )


TEXTS = ["a good", "a bad", "b good", "b bad", "c only"]


def test_one_query_a_class_best_and_worst_first(judged):
    """Three classes give two of each; no query is both, and equals stand in the file's order."""
    found = find_extremes(judged, TEXTS, {})
    assert [a.query for a in found.best] == ["a good", "b good"]
    assert [a.query for a in found.worst] == ["a bad", "b bad"]
    assert [a.line for a in found.best] == [1, 3]
    assert found.best[0].note == "a · average precision 1.000"
    assert len(find_extremes(judged, TEXTS, {}, shown=1).best) == 1


def test_hits_are_the_first_items_with_verdict_and_image(judged):
    """By cosine, best first; items without an image are shown by their id alone."""
    hits = find_extremes(judged, TEXTS, {"p0": Path("a.png")}).best[0].hits
    assert [h.id for h in hits] == ["p0", "p1", "p4", "p2", "p3"]
    assert [h.rank for h in hits] == [1, 2, 3, 4, 5]
    assert [h.correct for h in hits] == [True, True, False, False, False]
    assert [h.image for h in hits] == ["a.png", None, None, None, None]
    assert hits[2].score == pytest.approx(np.cos(np.radians(55)))


def test_a_single_query_is_the_best_and_there_is_no_worst():
    """It is not shown twice."""
    found = find_extremes(judged_of([0], ["a"], [0, 9], ["a", "a"]), ["one"], {})
    assert ([a.query for a in found.best], found.worst) == (["one"], ())
