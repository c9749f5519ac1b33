"""How far a model is ahead of a control: on the same queries, by classes."""

from __future__ import annotations

import numpy as np
import pytest

from zscr.infer.evaluation.paired import lead, own_metrics, paired_difference, with_differences


def report(values, counts):
    """Figures as JSON holds them: a mAP and a number of queries for each of the groups a, b, …"""
    rows = zip("abcdefghijklmnop", values, counts, strict=False)
    groups = [{"group": g, "queries": n, "metrics": {"mAP": v}} for g, v, n in rows]
    return {"per_group": groups}


def test_means_are_over_queries():
    """Three queries gain .2 each, one loses .4: (.6 - .4) / 4, ahead in one class of two."""
    counts = (3, 1)
    found = paired_difference(report((0.5, 0.1), counts), report((0.3, 0.5), counts))
    assert found["mean"] == pytest.approx(0.05)
    assert (found["ahead"], found["groups"]) == (1, 2)
    assert found["interval"] == pytest.approx([-0.4, 0.2])  # one class alone is drawn often


def test_what_is_hard_for_both_cancels():
    """Classes from 0 to .9 in which the model is .1 ahead: it is for sure, whatever is drawn."""
    hard, counts = np.linspace(0, 0.9, 10), np.arange(1, 11)
    found = paired_difference(report(hard + 0.1, counts), report(hard, counts))
    assert [found["mean"], *found["interval"]] == pytest.approx([0.1] * 3)
    assert (found["ahead"], found["groups"]) == (10, 10)


def test_groups_are_paired_by_name():
    """In whatever order a control lists them; on others there is nothing to compare."""
    ours, theirs = report((0.5, 0.1), (3, 1)), report((0.3, 0.5), (3, 1))
    theirs["per_group"].reverse()
    assert paired_difference(ours, theirs)["mean"] == pytest.approx(0.05)
    with pytest.raises(AssertionError, match="judged on other groups"):
        paired_difference(ours, report((0.3,), (3,)))


def test_a_tasks_own_figures_are_compared_too():
    """By name; not mAP once more, not what is a mean over groups, nor ranks: less is better."""
    figures = ["R@10", "mAP", "Prec@5 macro", "Prec@5 micro", "mean rank", "median rank"]
    assert own_metrics({"figures": figures}) == ["R@10", "Prec@5"]
    ours, theirs = report((0.5, 0.1), (3, 1)), report((0.5, 0.1), (3, 1))
    for one, hits in ((ours, (1.0, 0.0)), (theirs, (0.0, 1.0))):
        for row, hit in zip(one["per_group"], hits, strict=True):
            row["metrics"]["R@10"] = hit
    assert paired_difference(ours, theirs)["mean"] == 0
    assert paired_difference(ours, theirs, "R@10")["mean"] == pytest.approx(0.5)


def whole(values, own=(), figures=("mAP",)):
    """A report of classes of one query each, with the means over these."""
    found = report(values, [1] * len(values)) | {"figures": figures}
    means = {"mAP": float(np.mean(values))}
    if own:
        means["R@1"] = float(np.mean(own))
        for row, value in zip(found["per_group"], own, strict=True):
            row["metrics"]["R@1"] = value
    return found | {"metrics": means}


EASY = np.linspace(0.3, 0.6, 8)


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        ([0.1] * 8, "ahead of"),
        ([-0.1] * 8, "behind"),
        ([0.3, -0.2] * 4, "not surely ahead of"),
    ],
)
def test_the_lead_is_over_the_strongest_control(gains, words):
    """The best on these very queries, neither chance nor the bound, and no other model."""
    controls = {"raw cosine": EASY - 0.2, "ridge": EASY, "random ranking": EASY + 1}
    controls["class-mean oracle"] = EASY + 1
    model = whole(EASY + gains)
    found = with_differences(model, {name: whole(v) for name, v in controls.items()})
    ahead = lead(model | {"controls": found, "beside": {"other": whole(EASY + 1)}})
    assert (ahead.control, ahead.among, ahead.metric) == ("ridge", 2, "mAP")
    assert ahead.difference["mean"] == pytest.approx(np.mean(gains))
    assert ahead.words.startswith(f"{words} the strongest of 2 controls, ridge: mAP 0.")


def test_the_lead_is_by_the_tasks_headline():
    """By R@1 the other control is the stronger one."""
    model = whole(EASY, [1, 0] * 4, ("R@1", "mAP"))
    rivals = {"a": whole(EASY, [0] * 8), "b": whole(EASY - 0.1, [1] * 8)}
    ahead = lead(model | {"controls": with_differences(model, rivals)})
    assert (ahead.control, ahead.metric, ahead.ours, ahead.theirs) == ("b", "R@1", 0.5, 1)
    assert lead(model) is None
