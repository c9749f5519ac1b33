"""Means over tasks: of one protocol alone, and with every task's own figures shown."""

from __future__ import annotations

from typing import Any

from zscr.infer.evaluation.task_means import mean_report, means_table


def of_task(protocol: str, missing: int = 0, **metrics: float) -> dict[str, Any]:
    lacking = f"; {missing} of its images and queries are missing" if missing else ""
    about = {"protocol": protocol + lacking, "missing": missing, "queries": 2}
    return about | {"figures": [*metrics], "metrics": metrics, "controls": {"image only": {}}}


def shown(tasks: dict[str, Any], *patterns: list[str]) -> str:
    means = {", ".join(one): mean_report([tasks[name] for name in one]) for one in patterns}
    about: dict[str, Any] = {"collection": "c", "split": "unseen", "means": means, "tasks": tasks}
    about |= {"selection": "val", "origin": "weights"}
    return means_table(about | mean_report([*means.values()]))


def test_figures_of_two_protocols_have_no_mean() -> None:
    """Neither within a pattern nor over patterns; what is missing makes no other protocol."""
    tasks = {
        "a": of_task("whole", R=0.5),
        "b": of_task("whole", 3, R=1.0),
        "c": of_task("VAL", R=0.25),
    }
    mixed = mean_report([tasks["a"], tasks["c"]])
    assert mixed["protocols"] == ["whole", "VAL"]
    assert not mixed["metrics"]
    assert not mixed["figures"]
    table = shown(tasks, ["a", "b"], ["c"])
    assert "a, b: whole\nc: VAL\n" in table
    assert f"mean of a, b{0.75:42.3f}\n".split() == table.split("\n\n")[2].split("\n")[0].split()
    assert table.endswith("none: different protocols")
    assert "2 queries, 3 images and queries missing\n" in table


def test_each_task_shows_its_own_figures() -> None:
    """Tasks of one protocol that share no figure keep theirs, and have no mean."""
    table = shown(
        {"all": of_task("p", **{"mAP@5": 0.125}), "one": of_task("p", R=1.0)}, ["all", "one"]
    )
    rows = [line.split() for line in table.splitlines()]
    assert ["mAP@5", "R"] in rows
    assert ["all", "0.125", "-", "2", "queries"] in rows
    assert ["one", "-", "1.000", "2", "queries"] in rows
    assert "none: no figure in common" in table


def test_long_names_of_controls_stand_in_the_columns() -> None:
    """All rows of figures end in one column, however long a control's name is."""
    task = of_task("p", R=0.5)
    task["controls"] = {
        "a control with a name of more than forty letters": {"metrics": {"R": 0.25}}
    }
    rows = shown({"one": task}, ["one"]).split("\n\n")[2].splitlines()
    assert [row[-5:] for row in rows] == ["0.500", "0.250"]
    assert len({len(row) for row in rows}) == 1
