"""Sections and tables of figures, as pieces of the report's HTML page."""

from __future__ import annotations

from collections.abc import Iterable

from zscr.infer.evaluation import charts
from zscr.infer.evaluation.captions import FIGURES, IMAGE_TO_TEXT, TEXT_TO_IMAGE, shown
from zscr.infer.evaluation.naming import Report, group_words

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


def section(title: str, about: str, body: str) -> str:
    """Return a section with its heading and a sentence about it."""
    return f"<section>\n<h2>{title}</h2>\n<p>{about}</p>\n{body}</section>\n"


def figure_table(head: Iterable[str], rows: Iterable[str]) -> str:
    """Return a table that scrolls by itself where it is too wide."""
    cells = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "".join(rows)
    return f'<div class="wide" tabindex="0"><table><tr>{cells}</tr>\n{body}</table></div>\n'


def figure_row(name: str, cells: Iterable[str], *, style: str = "") -> str:
    """Return a row; a cell that is an element already stays as it is."""
    shown = "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in cells)
    marked = f' class="{style}"' if style else ""
    return f'<tr{marked}><th scope="row" class="name" dir="auto">{name}</th>{shown}</tr>\n'


def shown_figure(report: Report | None, name: str) -> str:
    """Return a figure with its standard deviation and its 95 % interval, where there are such."""
    if report is None or name not in report["metrics"]:
        return ""
    words = shown(name, report["metrics"][name])
    if "sd" in report:
        words += f" ± {report['sd'][name]:.3f}"
    if name in report.get("intervals", {}):
        low, high = (shown(name, bound) for bound in report["intervals"][name])
        words += f"<small>{low} – {high}</small>"
    return words


def caption_section(report: Report) -> str:
    """Return the standard figures of captions and images that ask for each other."""
    found, several = report["captions"], group_words(report)[1]
    rows = []
    for way in (way for way in (TEXT_TO_IMAGE, IMAGE_TO_TEXT) if way in found):
        sizes = f"{found[way]['queries']:,} queries over {found[way]['gallery']:,}"
        cells = [shown_figure(found[way], name) for name in FIGURES]
        rows.append(figure_row(f"{way}<small>{sizes}</small>", cells, style="model"))
        chance = found[way]["chance"]
        cells = [shown(name, chance[name]) if name in chance else "" for name in FIGURES]
        rows.append(figure_row("chance", cells))
    about = f"Means over queries, with 95 % bootstrap intervals over {several}"
    about += f" and ± standard deviation over {len(report['seeds'])} runs" if "sd" in report else ""
    about += "."
    if "rsum" in found:
        low, high = found["rsum"]["interval"]
        about += f" rsum {found['rsum']['value']:.1f} ({low:.1f} – {high:.1f})."
    return section("Captions and images", about, figure_table(["", *FIGURES], rows))
