"""The report of `zscr evaluate` as one self-contained HTML page.

It shows what `--json` prints, and the best and worst queries with their images. Like the contact
sheet, it refers to nothing outside itself, and every text is hostile until escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zscr.infer.answers.answer import Answer
from zscr.infer.answers.markup import isolated
from zscr.infer.answers.sheet import Sheet, answer_section, page_foot, page_head, summary
from zscr.infer.answers.shown import Shown
from zscr.infer.evaluation import charts
from zscr.infer.evaluation.charts import Series
from zscr.infer.evaluation.extremes import Extremes
from zscr.infer.evaluation.figures import read_figure
from zscr.infer.evaluation.naming import (
    OF_ONE,
    Report,
    group_words,
    judged_on,
    origin_words,
    own_figures,
)
from zscr.infer.evaluation.page_controls import control_section
from zscr.infer.evaluation.page_tables import (
    STYLE,
    caption_section,
    figure_row,
    figure_table,
    section,
    shown_figure,
)

HEADLINES = ("mAP", "Prec@1", "Prec@10", "Prec@50", "AP@50 hits", "AP@50 relevant", "Top-1")
GROUP_COLUMNS = ("Prec@10", "Prec@50", "Prec@50 ceiling", "mAP", "Top-1")

ORACLE = "oracle selection"
WARNING = (
    f"{ORACLE.capitalize()}: these weights were chosen on the unseen classes, so figures on those "
    "are an upper bound and no zero-shot result."
)


def render_page(report: Report, extremes: Extremes, shown: Shown | None = None) -> str:
    """Return the page of a report (see `evaluate_model`) and its best and worst queries.

    Args:
        report: with `task`, the task's name; without it the task is `text`.
        extremes: the queries to show.
        shown: which of their images; None for all.
    """
    may = shown or Shown()
    sheet = Sheet(may, may)
    warning = f'<p class="oracle">{WARNING}</p>\n' if report["selection"] == ORACLE else ""
    figures = [caption_section] if "captions" in report else [_headline, control_section, _curves]
    sections = (
        *(part(report) for part in figures),
        _groups(report),
        _queries("Best queries", extremes.best, sheet, report),
        _queries("Worst queries", extremes.worst, sheet, report),
        _definitions(report),
    )
    title = f"{report['method']} on {report['collection']}, {judged_on(report)}"
    head = page_head(title, _about(report), style=STYLE)
    return head + warning + "".join(sections) + page_foot(summary(sheet))


def _about(report: Report) -> dict[str, object]:
    """Return the facts of the page's head."""
    about = {"protocol": report["protocol"], "queries": f"{report['queries']:,}"}
    about |= {"gallery": f"{report['gallery']:,}"}
    one, several = group_words(report)
    about |= {} if one in OF_ONE else {several: report["groups"]}
    about |= {"weights": origin_words(report), "kind": report["kind"]}
    if "composition" in report:
        about["composed by"] = report["composition"]
    if "gallery_use" in report:
        about["figures"] = report["gallery_use"]
    if "reranking" in report:
        about["figures"] = report["reranking"]["used"]
    if report["excluded"]:
        about["queries left out"] = report["excluded"]
    if report.get("zeros"):
        about["queries that count 0"] = report["zeros"]
    return about | {"zscr": report["versions"]["zscr"]}


def _headline(report: Report) -> str:
    columns: dict[str, Report] = {"plain": report}
    if generalised := report.get("generalised"):
        columns["generalised, unseen"] = generalised["unseen"]
        columns["generalised, seen"] = generalised["seen"]
        columns["harmonic mean"] = generalised["harmonic"]
    rows = []
    for name in own_figures(report, (*HEADLINES, *(f"{name} macro" for name in HEADLINES))):
        by = group_words(report)[1] if read_figure(name)[1] else "queries"
        cells = [shown_figure(column, name) for column in columns.values()]
        rows.append(figure_row(f"{isolated(name)}<small>mean over {by}</small>", cells))
    for name in HEADLINES:
        ceiling = report["metrics"].get(f"{name} ceiling")
        note = "" if ceiling is None else f"<small>ceiling {ceiling:.3f}</small>"
        cells = [shown_figure(column, f"{name} macro") for column in columns.values()]
        rows.append(figure_row(name + note, cells))
    word = group_words(report)[1]
    about = f"Means over {word}, with 95 % bootstrap intervals over {word}"
    about += f" and ± standard deviation over {len(report['seeds'])} runs" if "sd" in report else ""
    about += f". By chance precision is {report['chance']:.3f}."
    if generalised:
        about += (
            f" Generalised: {generalised['unseen']['gallery']:,} images, those of the seen "
            f"classes among them, on which the model was trained."
        )
    return section("Figures", about, figure_table(["", *columns], rows))


def _curves(report: Report) -> str:
    rivals = report.get("beside", {}) | report.get("controls", {})
    rivals = {name: source for name, source in rivals.items() if "curve" in source}
    sources = {str(report["method"]): report} | _highest(rivals, charts.SERIES - 1)
    views, left_out = {"plain": sources}, len(rivals) >= charts.SERIES
    if "generalised" in report:
        parts = {
            name: source["generalised"]["unseen"]
            for name, source in sources.items()
            if "generalised" in source
        }
        views["generalised, unseen classes' queries"] = parts
    figures, lines = [], []
    for title, view in views.items():
        lines = _lines(view)
        chart = charts.recall_chart(title, lines)
        figures.append(f"<figure><figcaption>{title}</figcaption>{chart}</figure>\n")
    about = "11-point interpolated precision, mean over queries"
    about += f"; the highest {charts.SERIES} of {len(rivals) + 1}." if left_out else "."
    body = f'<div class="both">\n{"".join(figures)}</div>\n{charts.legend(lines)}'
    return section("Precision and recall", about, body)


def _highest(sources: Mapping[str, Report], count: int) -> dict[str, Report]:
    """Return those with the highest mAP, in their order: the strongest control is drawn for sure.

    No more lines can be told apart.
    """
    ranked = sorted(sources, key=lambda name: -sources[name]["metrics"]["mAP"])[:count]
    return {name: source for name, source in sources.items() if name in ranked}


def _lines(sources: Mapping[str, Report]) -> list[Series]:
    curves = {name: source["curve"] for name, source in sources.items()}
    if len(curves) == 1:  # without controls, at least what chance is
        curves["chance"] = [report["chance"] for report in sources.values()] * len(charts.LEVELS)
    return [Series(name, curve, n) for n, (name, curve) in enumerate(curves.items())]


def _groups(report: Report) -> str:
    """Return each group's figures, unless they are too many for it, of few queries each."""
    if group_words(report)[0] in OF_ONE:
        return ""
    rows = sorted(report["per_group"], key=lambda row: -row["metrics"]["mAP"])
    other = report.get("generalised", {}).get("unseen", {}).get("per_group", ())
    harder = {row["group"]: row["metrics"]["mAP"] for row in other}
    one, several = group_words(report)
    drawn = charts.bars((row["group"], _values(row, harder)) for row in rows)
    table = figure_table(
        (one, "queries", "relevant images", *(c.replace("mAP", "AP") for c in GROUP_COLUMNS)),
        (_group_row(row) for row in rows),
    )
    about = f"Average precision of each {one}'s queries, best first"
    about += "; the thinner bar is generalised." if harder else "."
    body = f"{drawn}<details><summary>All figures a {one}</summary>{table}</details>"
    return section(several.capitalize(), about, body)


def _values(row: Report, harder: Mapping[str, float]) -> Sequence[float]:
    plain = row["metrics"]["mAP"]
    return (plain, harder[row["group"]]) if harder else (plain,)


def _group_row(row: Report) -> str:
    figures = [f"{row['metrics'][name]:.3f}" for name in GROUP_COLUMNS]
    return figure_row(
        isolated(row["group"]), [str(row["queries"]), f"{row['relevant']:g}", *figures]
    )


def _queries(title: str, answers: Sequence[Answer], sheet: Sheet, report: Report) -> str:
    if not answers:
        return ""
    shown = (answer_section(a, sheet, [f"query {a.query.id}"], heading="h3") for a in answers)
    one = group_words(report)[0]
    of_each = "" if one == "query" else f", one query of each {one}"
    about = f"By plain average precision{of_each}, with the first ten items found."
    if "captions" in report:
        about = f"By the rank of the first right item{of_each}, with the first ten items found "
        about += "and, where no right one is among them, that one."
    return section(title, about, "".join(shown))


def _definitions(report: Report) -> str:
    terms = "".join(
        f"<div><dt>{isolated(name)}</dt> <dd>{isolated(text)}</dd></div>\n"
        for name, text in report["definitions"].items()
    )
    return section("Definitions", "What each name means.", f'<dl class="terms">\n{terms}</dl>\n')
