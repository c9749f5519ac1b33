"""The report in a terminal: what its lines hold, column by column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zscr.infer.evaluation.generalised import evaluate, mean_evaluation
from zscr.infer.evaluation.paired import with_differences
from zscr.infer.evaluation.table import table


@pytest.fixture
def some(embedded_of):
    """Return a function that makes random tasks of two queries and six images a class."""

    def make(seed, names, **changes):
        rng = np.random.default_rng(seed)
        asked, found = [*(names * 2)], [*(names * 6)]
        rows = [rng.standard_normal((len(side), 6)) for side in (asked, found)]
        rows = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in rows]
        embedded = embedded_of(*rows, asked, found)
        return replace(embedded, task=replace(embedded.task, **changes))

    return make


def report_of(evaluation, **more):
    about = {"method": "zscrgan-reference", "kind": "run", "collection": "birds", "protocol": "P"}
    about |= {"split": "unseen", "seeds": [7], "versions": {"torch": "2"}, "selection": "chosen"}
    return about | evaluation.to_json() | more


def cells(line, columns):
    """The name of a line and the texts of its columns."""
    assert len(line) <= 38 + 15 * columns
    return line[:38].strip(), [line[n : n + 15].strip() for n in range(38, len(line), 15)]


def shown(figures, names):
    return [f"{figures[name]:.3f}" for name in names]


def test_figures_stand_in_their_columns(some):
    """The model's with intervals, its ceilings and chance, controls, and what these were given."""
    control = {"lambda": 10.0, "lambda_at_edge": True, **evaluate(some(2, "abcd")).to_json()}
    few = {"Prec@1": 0.123, "Prec@10": 0.1, "mAP": 0.2, "excluded": 0}
    report = report_of(evaluate(some(1, "abcd")), controls={"ridge": control, "colour": few})
    lines = table(report).splitlines()
    assert lines[0] == "birds, unseen classes: 8 queries, 24 images, 4 classes"
    assert lines[1] == "P; chosen, seed 7, torch 2"
    columns = ["Prec@1", "Prec@10", "Prec@50", "AP@50 hits", "AP@50 relevant", "mAP"]
    assert cells(lines[3], 6) == ("", columns)
    names = [f"{name} macro" for name in columns[:3]] + columns[3:]
    metrics, bounds = report["metrics"], report["intervals"]
    expected = [
        ("zscrgan-reference (run)", shown(metrics, names)),
        ("95 % over classes, lower", [f"{bounds[name][0]:.3f}" for name in names]),
        ("95 % over classes, upper", [f"{bounds[name][1]:.3f}" for name in names]),
        ("ceiling", shown(metrics, [f"{name} ceiling" for name in columns[:3]])),
        ("chance", ["0.250"] * 3),
        ("ridge", shown(control["metrics"], names)),
        ("colour", ["0.123", "0.100", "", "", "", "0.200"]),
    ]
    assert [cells(line, 6) for line in lines[4:11]] == expected
    assert lines[12:] == ["ridge: lambda 10 (edge of its grid)"]


def test_generalised_figures_and_deviations(some):
    """Of several runs, both kinds of queries, their harmonic mean, and a control's beside them."""
    runs = [evaluate(some(n, "abcd"), some(10 + n, "xyz")) for n in range(3)]
    controls = {"ridge": runs[0].to_json()}
    report = report_of(mean_evaluation(runs), seeds=[1, 2, 3], controls=controls)
    lines = table(report).splitlines()
    assert "seeds 1, 2, 3" in lines[1]
    assert lines[5].startswith("  standard deviation over runs")
    assert lines[5].split()[-1] == f"{report['sd']['mAP']:.3f}"
    start = lines.index("generalised: 42 images, the seen classes' (trained on) among them")
    found = report["generalised"]
    ours = "zscrgan-reference (run)"
    expected = [(f"{ours}, unseen", found["unseen"]), (f"{ours}, seen", found["seen"])]
    expected += [("harmonic mean", found["harmonic"])]
    other = controls["ridge"]["generalised"]
    expected += [("ridge, unseen", other["unseen"]), ("harmonic mean", other["harmonic"])]
    rows = [cells(line, 6) for line in lines[start + 1 :]]
    rows = [(name, row) for name, row in rows if "over" not in name]
    assert [name for name, _ in rows] == [name for name, _ in expected]
    for (name, row), (_, figures) in zip(rows, expected, strict=True):
        assert row[-1] == f"{figures['metrics']['mAP']:.3f}", name


def test_differences_stand_below_the_figures(some):
    """The model's mAP less a control's, its interval, and in how many classes it is ahead."""
    evaluation = evaluate(some(1, "abcd"))
    behind = {"mean": -0.0504, "interval": [-0.1, 0.0126], "ahead": 1, "groups": 4}
    controls = {"ridge": evaluation.to_json() | {"difference": behind}, "chance": {"mAP": 0.2}}
    lines = table(report_of(evaluation, controls=controls)).splitlines()
    assert lines[-3:] == [
        "",
        "mAP of zscrgan-reference (run) less that of another, paired, 95 % over classes:",
        f"  {'ridge':36}{'-0.050':>15}  [-0.100, +0.013], ahead in 1 of 4",
    ]


def test_another_task_has_its_own_columns(some):
    """Behind the others, by their full names, with ceilings of their precision."""
    figures = ("Recall@5", "Prec@7 macro", "AP@100 relevant macro", "mAP")
    report = report_of(evaluate(some(1, "abcd", figures=figures)), task="composed")
    lines = table(report).splitlines()
    assert lines[0] == "birds, composed, unseen: 8 queries, 24 images, 4 groups"
    last = f"{'mAP':>15}{'Recall@5':>15}{'Prec@7 macro':>15} AP@100 relevant macro"
    assert lines[3].endswith(last)
    assert lines[4].split()[-3:] == shown(report["metrics"], figures[:3])
    assert [len(line) for line in lines[3:7]] == [len(lines[3])] * 4
    assert lines[7].split()[-1] == f"{report['metrics']['Prec@7 ceiling']:.3f}"
    assert "95 % over groups, lower" in lines[5]


def test_a_task_that_is_not_answered_has_its_bounds_and_controls(some):
    """The reason stands where the model's figures would; nothing is empty or missing."""
    chance = evaluate(some(1, "abcd")).to_json()
    ceilings = {name: value for name, value in chance["metrics"].items() if "ceiling" in name}
    report = report_of(evaluate(some(1, "abcd")), task="composed", metrics=ceilings, intervals={})
    report |= {"unanswered": "it takes texts alone", "controls": {"random ranking": chance}}
    lines = table(report).splitlines()
    assert lines[4] == "zscrgan-reference (run): it takes texts alone"
    names = [line[:38].strip() for line in lines[5:]]
    assert names == ["ceiling", "chance", "random ranking"]
    assert lines[7].split()[-1] == f"{chance['metrics']['mAP']:.3f}"


def test_other_models_and_long_names_stand_in_the_columns(some):
    """Above the controls, below the lead over the strongest of these."""
    model, other = evaluate(some(1, "abcd")).to_json(), evaluate(some(2, "abcd")).to_json()
    found = with_differences(model, {"a control with a name of more than forty letters": other})
    beside = with_differences(model, {"zse, run-7": other})
    report = report_of(evaluate(some(1, "abcd")), controls=found, beside=beside)
    lines = table(report).splitlines()
    assert lines[2].startswith("zscrgan-reference (run) is not surely ahead of the only")
    [name] = found
    figures = lines[4 : lines.index("", 4)]
    rows = {row[: len(name)].strip(): row for row in figures}
    assert list(rows).index("zse, run-7") < list(rows).index(name)
    ends = {len(rows[one]) for one in ("zse, run-7", name, "zscrgan-reference (run)")}
    assert len(ends) == 1
    below = next(number for number, line in enumerate(lines) if "less that of another" in line)
    differences = lines[below + 1 : below + 3]
    assert len({line.index("[") for line in differences}) == 1
    assert sum("less that of another" in line for line in lines) == 1
