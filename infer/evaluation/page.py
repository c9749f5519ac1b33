"""The report of `zscr evaluate` as one self-contained HTML page.

It shows what `--json` prints, and the best and worst queries with their images. Like the contact
sheet, it refers to nothing outside itself, and every text is hostile until escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from zscr.infer.answers.answer import Answer
from zscr.infer.answers.markup import isolated
from zscr.infer.answers.sheet import Sheet, answer_section, page_foot, page_head, summary
from zscr.infer.answers.shown import Shown
from zscr.infer.evaluation import charts
from zscr.infer.evaluation.charts import Series
from zscr.infer.evaluation.extremes import Extremes
from zscr.infer.evaluation.figures import read_figure
from zscr.infer.evaluation.naming import Report, group_words, judged_on, own_figures

HEADLINES = ("mAP", "Prec@1", "Prec@10", "Prec@50", "AP@50 hits", "AP@50 relevant", "Top-1")
COMPARED = ("mAP", "Prec@1", "Prec@10", "Prec@50")
GROUP_COLUMNS = ("Prec@10", "Prec@50", "Prec@50 ceiling", "mAP", "Top-1")

STYLE = (
    charts.STYLE
    + """
main > section { content-visibility: visible; }
h3 { margin: 0; font-size: 1rem; line-height: 1.35; overflow-wrap: anywhere; }
.both { display: grid; gap: 1.2rem 2rem; margin-top: .8rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
figure { margin: 0; max-width: 40rem; } figcaption { margin-bottom: .3rem; font-weight: 600; }
.wide { overflow-x: auto; margin-top: .8rem; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; white-space: nowrap; }
th:first-child, td:first-child, .words { text-align: left; }
th.name { position: sticky; left: 0; min-width: 6.6rem; max-width: 14rem; white-space: normal;
  overflow-wrap: anywhere; background: var(--paper); font-weight: 400; }
th[scope=col] { white-space: normal; vertical-align: bottom; }
tr.model th, tr.model td { font-weight: 650; }
small { display: block; color: var(--soft); font-weight: 400; font-size: .78rem; }
.oracle { margin: 0 0 .8rem; padding: .5rem .8rem; border: 2px dashed var(--wrong);
  border-radius: 8px; color: var(--ink); font-size: .95rem; }
details { margin-top: 1rem; } summary { cursor: pointer; color: var(--soft); }
.words { white-space: normal; min-width: 11rem; color: var(--soft); }
.terms { display: grid; gap: .25rem .9rem; margin-top: .6rem; font-size: .85rem; }
.terms div { display: block; } .terms dt { display: inline; font-weight: 600; color: var(--ink); }
.terms dd { display: inline; color: var(--soft); }
ol + section, section section { margin-top: 1.2rem; padding-top: .9rem; }
"""
)
ORACLE = "oracle selection"
WARNING = (
    f"{ORACLE.capitalize()}: these weights were chosen on the unseen classes, so figures on those "
    "are an upper bound and no zero-shot result."
)

ORACLE_NOTE = (
    " The class-mean oracle asks with the mean of the images that it seeks: a bound, in practice, "
    "for one vector a class on these features, and no competitor."
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
    sections = (
        _headline(report),
        _controls(report),
        _curves(report),
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
    seeds = ", ".join(map(str, report["seeds"]))
    about = {"protocol": report["protocol"], "queries": f"{report['queries']:,}"}
    about |= {"gallery": f"{report['gallery']:,}", group_words(report)[1]: report["groups"]}
    about |= {"weights": report["selection"]}
    about |= {"seeds" if len(report["seeds"]) > 1 else "seed": seeds, "kind": report["kind"]}
    if "gallery_use" in report:
        about["figures"] = report["gallery_use"]
    if report["excluded"]:
        about["queries left out"] = report["excluded"]
    return about | {name: report["versions"][name] for name in ("zscr", "torch")}


def _section(title: str, about: str, body: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n<p>{about}</p>\n{body}</section>\n"


def _table(head: Iterable[str], rows: Iterable[str]) -> str:
    cells = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "".join(rows)
    return f'<div class="wide" tabindex="0"><table><tr>{cells}</tr>\n{body}</table></div>\n'


def _row(name: str, cells: Iterable[str], *, style: str = "") -> str:
    shown = "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in cells)
    marked = f' class="{style}"' if style else ""
    return f'<tr{marked}><th scope="row" class="name" dir="auto">{name}</th>{shown}</tr>\n'


def _figure(report: Report | None, name: str) -> str:
    """Return a figure with its standard deviation and its 95 % interval, where there are such."""
    if report is None or name not in report["metrics"]:
        return ""
    shown = f"{report['metrics'][name]:.3f}"
    if "sd" in report:
        shown += f" ± {report['sd'][name]:.3f}"
    if name in report.get("intervals", {}):
        low, high = report["intervals"][name]
        shown += f"<small>{low:.3f} – {high:.3f}</small>"
    return shown


def _headline(report: Report) -> str:
    columns: dict[str, Report] = {"plain": report}
    if generalised := report.get("generalised"):
        columns["generalised, unseen"] = generalised["unseen"]
        columns["generalised, seen"] = generalised["seen"]
        columns["harmonic mean"] = generalised["harmonic"]
    rows = []
    for name in own_figures(report, HEADLINES):
        by = group_words(report)[1] if read_figure(name)[1] else "queries"
        cells = [_figure(column, name) for column in columns.values()]
        rows.append(_row(f"{isolated(name)}<small>mean over {by}</small>", cells))
    for name in HEADLINES:
        ceiling = report["metrics"].get(f"{name} ceiling")
        note = "" if ceiling is None else f"<small>ceiling {ceiling:.3f}</small>"
        cells = [_figure(column, f"{name} macro") for column in columns.values()]
        rows.append(_row(name + note, cells))
    word = group_words(report)[1]
    about = f"Means over {word}, with 95 % bootstrap intervals over {word}"
    about += f" and ± standard deviation over {len(report['seeds'])} runs" if "sd" in report else ""
    about += f". By chance precision is {report['chance']:.3f}."
    if generalised:
        about += (
            f" Generalised: {generalised['unseen']['gallery']:,} images, those of the seen "
            f"classes among them, on which the model was trained."
        )
    return _section("Figures", about, _table(["", *columns], rows))


def _controls(report: Report) -> str:
    if "controls" not in report:
        return ""
    rows = [_compared(str(report["method"]), report, style="model")]
    for name, control in report["controls"].items():
        if "metrics" not in control:  # image to image: few figures, and macro is micro
            control = {"metrics": {f"{key} macro": value for key, value in control.items()}}
        rows.append(_compared(name, control))
    head = ["", *COMPARED, "ahead of it (mAP)", "generalised mAP", "harmonic mean"]
    head.append("chosen on validation classes")
    about = (
        f"The same frozen features, queries and images; means over {group_words(report)[1]}."
        f"{ORACLE_NOTE if 'class-mean oracle' in report['controls'] else ''}"
    )
    return _section("Controls", about, _table(head, rows))


def _compared(name: str, control: Report, *, style: str = "") -> str:
    cells = [_figure(control, f"{figure} macro") for figure in COMPARED]
    cells.append(_ahead(control.get("difference")))
    generalised = control.get("generalised", {})
    cells += [_figure(generalised.get(side), "mAP macro") for side in ("unseen", "harmonic")]
    cells.append(f'<td class="words">{isolated(chosen(control))}</td>')
    return _row(isolated(name), cells, style=style)


def _ahead(difference: Report | None) -> str:
    """Return the model's mAP less a control's, with the interval of the paired difference."""
    if difference is None:
        return ""
    low, high = difference["interval"]
    return f"{difference['mean']:+.3f}<small>{low:+.3f} – {high:+.3f}</small>"


def chosen(control: Report) -> str:
    """Say what a control was given by the validation classes, and where its grid may be short."""
    named = [name.removesuffix("_at_edge") for name in control if name.endswith("_at_edge")]
    return ", ".join(
        f"{name} {control[name]:g}{' (edge of its grid)' if control[f'{name}_at_edge'] else ''}"
        for name in named
    )


def _curves(report: Report) -> str:
    sources = {str(report["method"]): report, **report.get("controls", {})}
    sources = {name: source for name, source in sources.items() if "curve" in source}
    views, left_out = {"plain": sources}, len(sources) > charts.SERIES
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
    about += f"; the first {charts.SERIES} of {len(sources)}." if left_out else "."
    body = f'<div class="both">\n{"".join(figures)}</div>\n{charts.legend(lines)}'
    return _section("Precision and recall", about, body)


def _lines(sources: Mapping[str, Report]) -> list[Series]:
    curves = {name: source["curve"] for name, source in sources.items()}
    if len(curves) == 1:  # without controls, at least what chance is
        curves["chance"] = [report["chance"] for report in sources.values()] * len(charts.LEVELS)
    drawn = list(curves.items())[: charts.SERIES]  # no more lines can be told apart
    return [Series(name, curve, n) for n, (name, curve) in enumerate(drawn)]


def _groups(report: Report) -> str:
    rows = sorted(report["per_group"], key=lambda row: -row["metrics"]["mAP"])
    other = report.get("generalised", {}).get("unseen", {}).get("per_group", ())
    harder = {row["group"]: row["metrics"]["mAP"] for row in other}
    one, several = group_words(report)
    drawn = charts.bars((row["group"], _values(row, harder)) for row in rows)
    table = _table(
        (one, "queries", "relevant images", *(c.replace("mAP", "AP") for c in GROUP_COLUMNS)),
        (_group_row(row) for row in rows),
    )
    about = f"Average precision of each {one}'s queries, best first"
    about += "; the thinner bar is generalised." if harder else "."
    body = f"{drawn}<details><summary>All figures a {one}</summary>{table}</details>"
    return _section(several.capitalize(), about, body)


def _values(row: Report, harder: Mapping[str, float]) -> Sequence[float]:
    plain = row["metrics"]["mAP"]
    return (plain, harder[row["group"]]) if harder else (plain,)


def _group_row(row: Report) -> str:
    figures = [f"{row['metrics'][name]:.3f}" for name in GROUP_COLUMNS]
    return _row(isolated(row["group"]), [str(row["queries"]), f"{row['relevant']:g}", *figures])


def _queries(title: str, answers: Sequence[Answer], sheet: Sheet, report: Report) -> str:
    if not answers:
        return ""
    shown = (answer_section(a, sheet, [f"query {a.query.id}"], heading="h3") for a in answers)
    one = group_words(report)[0]
    about = f"By plain average precision, one query a {one}, with the first ten items found."
    return _section(title, about, "".join(shown))


def _definitions(report: Report) -> str:
    terms = "".join(
        f"<div><dt>{isolated(name)}</dt> <dd>{isolated(text)}</dd></div>\n"
        for name, text in report["definitions"].items()
    )
    return _section("Definitions", "What each name means.", f'<dl class="terms">\n{terms}</dl>\n')
