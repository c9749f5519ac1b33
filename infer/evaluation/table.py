"""The report of `zscr evaluate` laid out for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from zscr.infer.evaluation.captions import FIGURES, IMAGE_TO_TEXT, TEXT_TO_IMAGE, shown
from zscr.infer.evaluation.naming import (
    OF_ONE,
    Report,
    group_words,
    judged_on,
    origin_words,
    own_figures,
    queries_words,
)
from zscr.infer.evaluation.page_controls import chosen
from zscr.infer.evaluation.paired import FIGURE, lead
from zscr.printable import printable

NAME = 38  # characters of the names' column, or as many as the longest name needs
ROWS = ("Prec@1 macro", "Prec@10 macro", "Prec@50 macro", "AP@50 hits", "AP@50 relevant", "mAP")


def table(report: Report) -> str:
    """Lay a report out: the model's figures, then each control's; then the same generalised.

    The columns are some figures of every task and, behind them, the task's own.

    Args:
        report: see `evaluate_model`; with `task`, the task's name, without which it is `text`,
            with `gallery_use`, what the gallery did for the model, with `reranking`, how the best
            were re-ranked, and with `unanswered` where the model does not take its queries, and
            why.
    """
    several = group_words(report)[1]
    name = f"{report['method']} ({report['kind']})"
    controls: Mapping[str, Report] = report.get("beside", {}) | report.get("controls", {})
    width = max(NAME, *(len(control) + 2 for control in (name, *controls)))  # 2: indented below
    layout = _Layout((*ROWS, *own_figures(report, ROWS)), several, width)
    notes = {control: chosen(figures) for control, figures in controls.items()}
    captions = "captions" in report
    lines = [
        f"{report['collection']}, {judged_on(report)}: {', '.join(_sizes(report))}",
        f"{report['protocol']}; {origin_words(report)}",
        *([f"{name} composes by {report['composition']}"] if "composition" in report else []),
        *([f"{name} {report['gallery_use']}"] if "gallery_use" in report else []),
        *([f"{name}: {report['reranking']['used']}"] if "reranking" in report else []),
        *([f"{name} is {ahead.words}"] if (ahead := lead(report)) else []),
        "",
        *(_captions(name, report) if captions else layout.plain(name, report, controls)),
    ]
    if "generalised" in report:
        lines += ["", *layout.generalised(name, report["generalised"], controls)]
    differences = [*_differences(name, several, controls, width)]
    lines += ["", *differences] if differences else []
    lines += ["", *(f"{control}: {note}" for control, note in notes.items() if note)]
    return "\n".join(map(printable, lines)).rstrip()


def _sizes(report: Report) -> list[str]:
    one, several = group_words(report)
    sizes = [queries_words(report), f"{report['gallery']} images"]
    return sizes if one in OF_ONE else [*sizes, f"{report['groups']} {several}"]


def _captions(name: str, report: Report) -> Iterator[str]:
    """Yield the standard figures of captions and images that ask for each other."""
    layout, found = _Layout(FIGURES, group_words(report)[1]), report["captions"]
    yield layout.cells(name, {key: key for key in FIGURES})
    for direction in (way for way in (TEXT_TO_IMAGE, IMAGE_TO_TEXT) if way in found):
        figures = found[direction]
        sizes = f"{figures['queries']:,} over {figures['gallery']:,}"
        yield from layout.model(f"{direction}, {sizes}", figures)
        yield layout.row("  chance", figures["chance"])
    if "rsum" in found:
        low, high = found["rsum"]["interval"]
        yield f"rsum {found['rsum']['value']:.1f} [{low:.1f}, {high:.1f}]"


def _differences(
    name: str, several: str, controls: Mapping[str, Report], width: int
) -> Iterator[str]:
    """Yield how far the model's mAP, and the task's first other figure, is ahead of each control's.

    Both answer the same queries.
    """
    paired = {control: f["difference"] for control, f in controls.items() if "difference" in f}
    own = [f["differences"] for f in controls.values() if f.get("differences")]
    for metric in next(map(list, own), [])[:1]:
        of_own = {n: f["differences"][metric] for n, f in controls.items() if "differences" in f}
        yield from _paired(metric, name, several, of_own, width)
    yield from _paired(FIGURE, name, several, paired, width)


def _paired(
    metric: str, name: str, several: str, paired: Mapping[str, Report], width: int
) -> Iterator[str]:
    if paired:
        yield f"{metric} of {name} less that of another, paired, 95 % over {several}:"
    for control, found in paired.items():
        low, high = found["interval"]
        yield (
            f"  {control:{width - 2}}{found['mean']:>+15.3f}  [{low:+.3f}, {high:+.3f}], ahead in "
            f"{found['ahead']} of {found['groups']}"
        )


@dataclass(frozen=True)
class _Layout:
    """Rows of a name and a figure a column; `groups` is what the groups are called.

    Attributes:
        width: of the names.
    """

    columns: tuple[str, ...]
    groups: str
    width: int = NAME

    def row(self, name: str, figures: Mapping[str, float]) -> str:
        """Return a line with the figures that there are."""
        cells = {key: shown(key, figures[key]) for key in self.columns if key in figures}
        return self.cells(name, cells)

    def cells(self, name: str, cells: Mapping[str, str]) -> str:
        """Return a line: each column is as wide as the longest of its kind needs."""
        parts = (f"{cells.get(key, ''):>{max(15, len(key) + 1)}}" for key in self.columns)
        return (f"{name:{self.width}}" + "".join(parts)).rstrip()

    def plain(self, name: str, report: Report, controls: Mapping[str, Report]) -> Iterator[str]:
        """Yield the head, and the rows of the model, its bounds and the controls."""
        heads = {key: key.removesuffix(" macro") if key in ROWS else key for key in self.columns}
        yield self.cells("", heads)
        if "unanswered" in report:
            yield f"{name}: {report['unanswered']}"
        else:
            yield from self.model(name, report)
        if "reversed" in report:
            yield self.row("  images ask, queries are ranked", report["reversed"])
        precisions = [key for key in self.columns if key.startswith("Prec@")]
        yield self.row("ceiling", _ceilings(precisions, report["metrics"]))
        yield self.row("chance", {key: report["chance"] for key in precisions})
        for control, figures in controls.items():
            yield self.row(control, figures.get("metrics") or _as_macro(figures))

    def model(self, name: str, report: Report) -> Iterator[str]:
        """Yield the model's figures, their deviation over runs, and their intervals."""
        yield self.row(name, report["metrics"])
        if "sd" in report:
            yield self.row("  standard deviation over runs", report["sd"])
        for place, bound in enumerate(("lower", "upper")):
            figures = {key: bounds[place] for key, bounds in report["intervals"].items()}
            yield self.row(f"  95 % over {self.groups}, {bound}", figures)

    def generalised(
        self, name: str, generalised: Report, controls: Mapping[str, Report]
    ) -> Iterator[str]:
        """Yield the same over the gallery of both kinds of classes."""
        unseen, seen = generalised["unseen"], generalised["seen"]
        images = unseen["gallery"]
        yield f"generalised: {images} images, the seen classes' (trained on) among them"
        yield from self.model(f"{name}, unseen", unseen)
        yield self.row(f"{name}, seen", seen["metrics"])
        yield self.row("harmonic mean", generalised["harmonic"]["metrics"])
        for control, figures in controls.items():
            if "generalised" in figures:
                found = figures["generalised"]
                yield self.row(f"{control}, unseen", found["unseen"]["metrics"])
                yield self.row("  harmonic mean", found["harmonic"]["metrics"])


def _ceilings(names: list[str], figures: Mapping[str, float]) -> dict[str, float]:
    """Return the ceilings of macro precisions, by the names of these."""
    macro = [name for name in names if name.endswith(" macro")]
    return {name: figures[name.replace("macro", "ceiling")] for name in macro}


def _as_macro(figures: Mapping[str, float]) -> dict[str, float]:
    return {key if key == "mAP" else f"{key} macro": value for key, value in figures.items()}
