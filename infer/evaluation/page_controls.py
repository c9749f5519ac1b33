"""The table of controls, with how far the model is ahead of each, of the report's HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zscr.infer.answers.markup import isolated
from zscr.infer.evaluation.controls.control import BOUND
from zscr.infer.evaluation.naming import OF_CLASSES, TEXT, Report, group_words, own_figures
from zscr.infer.evaluation.page_tables import figure_row, figure_table, section, shown_figure
from zscr.infer.evaluation.paired import FIGURE, lead, own_metrics

COMPARED = ("mAP", "Prec@1", "Prec@10", "Prec@50")
ORACLE_NOTE = (
    " The class-mean oracle asks with the mean of the images that it seeks: a bound, in practice, "
    "for one vector a class on these features, and no competitor."
)


def control_section(report: Report) -> str:
    """Return the table of the model beside what it must beat; nothing without controls."""
    controls, others = report.get("controls", {}), report.get("beside", {})
    if not controls and not others:
        return ""
    layout = _Comparison.of(report)
    rows = [layout.row(str(report["method"]), report, style="model")]
    for name, control in (others | controls).items():
        if "metrics" not in control:  # image to image: few figures, and macro is micro
            control = {"metrics": {f"{key} macro": value for key, value in control.items()}}
        rows.append(layout.row(name, control))
    about = (
        f"The same frozen features, queries and images; means over {group_words(report)[1]}."
        f"{ORACLE_NOTE if BOUND in controls else ''}"
    )
    if others:
        about = f"Other models stand above the controls. {about}"
    if ahead := lead(report):
        about = f"<b>{isolated(str(report['method']))} is {isolated(ahead.words)}.</b> {about}"
    return section("Controls", about, figure_table(layout.head, rows))


@dataclass(frozen=True)
class _Comparison:
    """Rows of the model and of each control.

    Attributes:
        figures: full name -> heading; generalised: whether there are such figures.
        own: the first of the task's own figures that is no mAP; none without one.
        by: what chose the controls' numbers.
    """

    figures: Mapping[str, str]
    own: list[str]
    generalised: bool
    by: str

    @classmethod
    def of(cls, report: Report) -> _Comparison:
        compared = {f"{name} macro": name for name in COMPARED}
        figures = {name: name for name in own_figures(report, (*COMPARED, *compared))} | compared
        classes = report.get("task", TEXT) in OF_CLASSES
        by = "classes" if classes else "queries"
        return cls(figures, own_metrics(report)[:1], "generalised" in report, by)

    @property
    def head(self) -> list[str]:
        """The headings."""
        wider = ["generalised mAP", "harmonic mean"] if self.generalised else []
        last = f"chosen on validation {self.by}"
        ahead = [f"ahead of it ({metric})" for metric in (*self.own, FIGURE)]
        return ["", *self.figures.values(), *ahead, *wider, last]

    def row(self, name: str, control: Report, *, style: str = "") -> str:
        """Return the row of a model or control."""
        cells = [shown_figure(control, figure) for figure in self.figures]
        cells += [_ahead(control.get("differences", {}).get(metric)) for metric in self.own]
        cells.append(_ahead(control.get("difference")))
        wider = control.get("generalised", {})
        sides = ("unseen", "harmonic") if self.generalised else ()
        cells += [shown_figure(wider.get(side), "mAP macro") for side in sides]
        cells.append(f'<td class="words">{isolated(chosen(control))}</td>')
        return figure_row(isolated(name), cells, style=style)


def _ahead(difference: Report | None) -> str:
    """Return the model's figure less a control's, with the interval of the paired difference."""
    if difference is None:
        return ""
    low, high = difference["interval"]
    return f"{difference['mean']:+.3f}<small>{low:+.3f} – {high:+.3f}</small>"


def chosen(control: Report) -> str:
    """Say what a control was given by the validation queries, where its grid may be short, and
    which of its numbers are the published ones, since there were no such queries.
    """
    named = [name.removesuffix("_at_edge") for name in control if name.endswith("_at_edge")]
    given = {name: " (edge of its grid)" if control[f"{name}_at_edge"] else "" for name in named}
    said = [f"{name} {control[name]:g}{note}" for name, note in given.items()]
    published = control.get("published", {})
    said += [f"{name} {value:g} (published)" for name, value in published.items()]
    return ", ".join([*said, *filter(None, [control.get("about")])])
