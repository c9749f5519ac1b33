"""A result as one self-contained HTML page: latencies, stages, recall against queries a second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zscr.infer.answers.markup import isolated
from zscr.infer.answers.sheet import page_foot, page_head
from zscr.infer.bench import compare
from zscr.infer.bench.lines import (
    HEAD,
    RULE,
    SWEEP_HEAD,
    about,
    facts_of,
    lines_of,
    search_name,
    shown,
    stages_of,
    sweep_lines,
)
from zscr.infer.bench.plot import Axis, Line, distribution, plot
from zscr.infer.bench.result import Result
from zscr.infer.bench.subject import STAGES
from zscr.infer.evaluation.charts import Series, bars, legend
from zscr.infer.evaluation.page_tables import STYLE, figure_row, figure_table, section

_LATENCIES = {"single": "One query after another", "server": "Queries as they arrive"}


def render_page(result: Result) -> str:
    """Return the page of a result."""
    names = " and ".join(subject["name"] for subject in result.subjects)
    parts = (_figures(result), _compared(result), *_latencies(result))
    parts = (*parts, _stages(result), *_sweeps(result))
    head = page_head(f"zscr bench of {names}", about(result), style=STYLE)
    return head + "".join(parts) + page_foot(RULE)


def _figures(result: Result) -> str:
    rows = [
        figure_row(
            isolated(line.cells[0]),
            [isolated(cell) for cell in line.cells[1:]],
            style="model" if line.is_whole else "",
        )
        for line in lines_of(result)
    ]
    told = "".join(f"<p>{isolated(fact)}</p>\n" for fact in facts_of(result))
    return section("Figures", isolated(RULE), figure_table(HEAD, rows) + told) if rows else told


def _compared(result: Result) -> str:
    """Return how the second subject compares with the first, if there are two."""
    found = compare.against(result)
    if not found:
        return ""
    rows = [
        figure_row(isolated(name), map(isolated, cells))
        for name, *cells in compare.compared_rows(found)
    ]
    a, b = (isolated(subject["name"]) for subject in result.subjects)
    words = f"A is {a}, B is {b}: medians, and their ratio with its 95 % interval."
    return section("Beside each other", words, figure_table(compare.HEAD, rows))


def _latencies(result: Result) -> Iterator[str]:
    """Draw how many queries were answered within how many milliseconds."""
    drawn = []
    for scenario, title in _LATENCIES.items():
        runs = result.runs_of(scenario)
        if not runs:
            continue
        lines = [Line(run.subject, distribution(run.whole.wall)) for run in runs]
        values = [x for line in lines for x, _ in line.points]
        axes = Axis.over(values, log=True), Axis(0, 1)
        chart = plot(title, lines, "ms", "share of queries", axes)
        drawn.append(_figure(title, chart, lines))
    if drawn:
        words = (
            "How many queries were answered within how many milliseconds; the last is the worst."
        )
        yield section("Latency", words, f'<div class="both">\n{"".join(drawn)}</div>\n')


def _stages(result: Result) -> str:
    rows = []
    for run in result.runs_of("single"):
        if not (stages := stages_of(run)):
            continue
        total = sum(one.mean for one in stages)
        rows += [
            (f"{run.subject}: {name}, {shown(one.mean)} ms", [one.mean / total])
            for name, one in zip(STAGES, stages, strict=True)
        ]
    words = "Each stage's share of their sum, means of one query after another."
    return section("Stages", words, bars(rows)) if rows else ""


def _sweeps(result: Result) -> Iterator[str]:
    for sweep in result.sweeps:
        rows = [
            figure_row(
                isolated(name), [isolated(cell) for cell in cells], style="model" if best else ""
            )
            for (_, name, *cells), best in ((row, row[-1] == "yes") for row in sweep_lines(sweep))
        ]
        named = f"{sweep.n} vectors ({sweep.queries}), one at a time. The best: no other way finds "
        named += "at least as much at least as fast, and more or faster."
        table = figure_table(SWEEP_HEAD[1:], rows)
        ladder = [one for one in sweep.points if one.ef is not None]
        exact = [one for one in sweep.points if one.ef is None]
        lines = [
            Line(
                name,
                [(one.recall, one.throughput) for one in points],
                [search_name(one).removeprefix("HNSW, ") for one in points],
            )
            for name, points in (("HNSW", ladder), ("exact", exact))
            if points
        ]
        places = [place for line in lines for place in line.points]
        axes = Axis.over([x for x, _ in places]), Axis.over([y for _, y in places], log=True)
        chart = plot("Recall against speed", lines, "recall@10", "queries a second", axes)
        title = f"Index of {sweep.subject}"
        figure = _figure("Recall against queries a second", chart, lines)
        body = f'<div class="both">\n{figure}{table}</div>\n'
        yield section(isolated(title), isolated(named), body)


def _figure(title: str, chart: str, lines: Sequence[Line]) -> str:
    named = legend(Series(line.name, (), style) for style, line in enumerate(lines))
    return f"<figure><figcaption>{title}</figcaption>{chart}{named}</figure>\n"
