"""A result is the same when it is read again, and its report says what it holds."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from zscr.artefact import dump_json
from zscr.errors import ArtefactError
from zscr.infer.bench.asked import Pool
from zscr.infer.bench.bench import Bench
from zscr.infer.bench.limit import Limit
from zscr.infer.bench.lines import busy_words
from zscr.infer.bench.page import render_page
from zscr.infer.bench.plot import Axis, Line, distribution, plot
from zscr.infer.bench.result import Result, read_result
from zscr.infer.bench.server import Load
from zscr.infer.bench.settings import Settings
from zscr.infer.bench.subject import Subject
from zscr.infer.bench.sweep import Point, Sweep
from zscr.infer.bench.table import markdown, markdown_table

HOSTILE = '<script>alert("1")</script>|\u202e'
VOID = {"meta"}


@pytest.fixture
def measured(subject: Subject) -> Result:
    """Measure a bundle for a moment in all scenarios."""
    queries = [one.query for one in subject.searcher.search(["a robin", "a wren"])]
    settings = Settings(limit=Limit(9), load=Load(rate=200.0, workers=2))
    return Bench([subject], Pool(queries, "two texts", 0), settings).run()


def test_a_result_is_read_as_it_was_written(measured: Result, tmp_path: Path) -> None:
    """Every field, through its JSON."""
    path = tmp_path / "result.json"
    path.write_bytes(dump_json(measured.to_json()))
    assert read_result(path) == measured


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["kind"], "bundle", "kind is 'bundle', not one of zscr bench"),
        (["schema"], 2, "schema is 2"),
        (["runs", 0, "times", "whole", "wall_ms", 3], -1, "wall_ms[3] is -1, not a number from 0"),
        (["runs", 0, "times"], {}, "runs[0].times lacks 'whole'"),
        (["settings", "threads"], 0, "settings.threads is 0"),
        (["sweeps", 0, "points", 0, "recall_at_10"], 1.2, "recall_at_10 is 1.2"),
        (["queries", "sha256"], "x", "queries.sha256 is 'x'"),
    ],
)
def test_a_changed_result_is_refused(
    measured: Result, tmp_path: Path, path: list[Any], value: Any, said: str
) -> None:
    """With the field that is wrong."""
    content = json.loads(dump_json(measured.to_json()))
    *way, last = path
    inner = content
    for step in way:
        inner = inner[step]
    inner[last] = value
    (tmp_path / "result.json").write_text(json.dumps(content))
    with pytest.raises(ArtefactError, match="is no result of 'zscr bench'") as told:
        read_result(tmp_path)
    assert said in str(told.value)


class Page(HTMLParser):
    """Collects the text and the elements of a page, and refuses tags that do not match."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.text, self.elements, self.open = "", [], []
        self.feed(content)
        assert self.open == [], "unclosed tags"

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_harmless(measured: Result) -> None:
    """Tags match, nothing leads outside, a hostile name is text, and each plot is there."""
    runs = [replace(run, subject=HOSTILE) for run in measured.runs]
    sweeps = [replace(sweep, subject=HOSTILE) for sweep in measured.sweeps]
    subjects = [one | {"name": HOSTILE} for one in measured.subjects]
    page = Page(render_page(replace(measured, runs=runs, sweeps=sweeps, subjects=subjects)))
    assert not {"script", "img", "a", "link"} & {tag for tag, _ in page.elements}
    assert '<script>alert("1")</script>' in page.text
    plots = [found.get("aria-label", "") for tag, found in page.elements if tag == "svg"]
    assert sum("share of queries over ms" in label for label in plots) == 2
    assert sum("queries a second over recall@10" in label for label in plots) == 1
    assert sum(found.get("class") == "name" and tag == "div" for tag, found in page.elements) == 4


def test_the_table_cannot_be_broken_by_a_name(measured: Result) -> None:
    """A bar in it is escaped, and a character that turns the line round, too."""
    runs = [replace(run, subject=HOSTILE) for run in measured.runs]
    rows = [
        line for line in markdown(replace(measured, runs=runs)).splitlines() if "single" in line
    ]
    assert all('alert("1")</script>\\|\\u202e ' in row for row in rows)
    assert markdown_table(("a", "b"), [("12", "")]) == "| a  | b |\n| -- | - |\n| 12 |   |\n"


def test_a_line_is_drawn_where_its_values_are() -> None:
    """In an area from 52 to 424 and from 12 to 272: 1, 10 and 100 are equally far by logarithm."""
    axes = Axis(1, 100, log=True), Axis(0, 1)
    drawn = plot("t", [Line("one", [(1, 0), (10, 0.5), (100, 1)])], "ms", "share", axes)
    assert 'points="52,272 238,142 424,12"' in drawn
    assert axes[0].ticks == [1, 10, 100]
    assert Axis(3, 90, log=True).ticks == [5, 10, 20, 50]
    assert axes[1].ticks == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert Axis(0.986, 1.0007).ticks == [0.99, 0.995, 1.0]


def test_a_distribution_ends_with_the_slowest() -> None:
    """Shares count the values that are no larger."""
    assert distribution([3.0, 1.0, 2.0, 4.0]) == [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1)]
    [*_, last] = distribution([float(value) for value in range(1000)])
    assert last == (999.0, 1.0)


def test_the_best_ways_to_search() -> None:
    """No other finds at least as much at least as fast; of two that are alike both are."""
    ways = {None: (1.0, 4.0), 10: (0.9, 1.0), 16: (0.95, 1.0), 24: (0.95, 1.0), 32: (0.95, 2.0)}
    points = [Point(ef, recall, [wall]) for ef, (recall, wall) in ways.items()]
    sweep = Sweep("birds", "texts", 1, 16, points)
    assert [one.ef for one in points if sweep.is_best(one)] == [None, 16, 24]


def test_a_busy_machine_is_told(measured: Result) -> None:
    """From half a waiting process a core on; the report says it, too."""
    machine = {**measured.machine, "cores": 4}
    idle = replace(measured, machine=machine, load_average=[1.9, 9.0])
    busy = replace(idle, load_average=[2.0, 0.0])
    assert busy_words(idle) is None
    assert str(busy_words(busy)).startswith("The load average was 2 on 4 cores before")
    assert str(busy_words(busy)) in markdown(busy)
