"""A card's figures: of the validation classes, and what an evaluation found beside controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zscr.export.card_table import table
from zscr.infer.evaluation.captions import shown
from zscr.infer.evaluation.controls.control import BOUND
from zscr.infer.evaluation.naming import group_words, judged_on, own_figures, queries_words
from zscr.infer.evaluation.paired import FIGURE, lead

FIGURES = "figures"  # the key of a manifest's body
_OF_EVERY_TASK = (FIGURE, "Prec@1 macro", "Prec@10 macro", "Prec@50 macro")


def figure_lines(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the section, by a manifest's body; nothing where no figure is known."""
    validation, report = body["provenance"].get("validation"), body.get(FIGURES)
    if not (validation or report):
        return
    yield "## Figures"
    yield ""
    if validation:
        yield "On the validation classes, by which the weights were chosen, before any refit:"
        yield ""
        yield from table(["figure", "value"], ([n, f"{v:.4f}"] for n, v in validation.items()))
        yield ""
    yield from _evaluated(report, body) if report else _not_evaluated()


def shown_columns(report: Mapping[str, Any]) -> list[str]:
    """Return the figures that a card shows: a task's own, then those of every task."""
    return [*own_figures(report, _OF_EVERY_TASK), *_OF_EVERY_TASK]


def _not_evaluated() -> Iterator[str]:
    yield "Unseen classes and controls were not measured by the export."
    yield "`zscr evaluate RUN --controls --json > report.json` does that, and"
    yield "`zscr export RUN --out BUNDLE --figures report.json` puts it here."


def _evaluated(report: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[str]:
    several, names = group_words(report)[1], shown_columns(report)
    yield f"On {report['collection']}{_other(report, body)}, {judged_on(report)}: " + ", ".join(
        [queries_words(report), f"{report['gallery']} images", f"{report['groups']} {several}"]
    )
    yield f"(95 % intervals over {several}; chance {report['chance']:.4f} for any Prec@k):"
    yield ""
    rows = [_row(f"**{report['method']}**", report, names)]
    rows += [_row(name, control, names) for name, control in report["controls"].items()]
    yield from table(["", *names, f"{FIGURE} ahead of it [95 %]"], rows)
    yield ""
    yield from _notes(report)


def _other(report: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """Say that a collection is not the one that the model was trained on."""
    own = body["provenance"].get("sources", {}).get("collection", {}).get("sha256")
    return "" if own == report["collection_sha256"] else " (not what it was trained on)"


def _notes(report: Mapping[str, Any]) -> Iterator[str]:
    if ahead := lead(report):
        yield f"- {report['method']} is {ahead.words}"
    if BOUND in report["controls"]:
        yield f"- {BOUND}: asks with the mean of the images that it seeks; no competitor"
    if not report["controls"]:
        yield "- without controls, which `--controls` adds"
    if "gallery_use" in report:
        yield f"- the model {report['gallery_use']}"
    if "reranking" in report:
        yield f"- the model: {report['reranking']['used']}"
    weights, versions = report["weights"], report["versions"]
    made_with = ", ".join(f"{name} {number}" for name, number in versions.items())
    yield (
        f"- by `zscr evaluate` of these weights (step {weights['step']} of run "
        f"{weights['run_sha256'][:12]}, in torch), from {report['report']} "
        f"({report['sha256'][:12]}), {made_with}"
    )


def _row(name: str, judged: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    ahead = judged.get("difference")
    cells = [_cell(judged, one) for one in names]
    return [
        name,
        *cells,
        f"{ahead['mean']:+.3f} {_bounds(FIGURE, ahead['interval'])}" if ahead else "",
    ]


def _cell(judged: Mapping[str, Any], name: str) -> str:
    if name not in judged["metrics"]:
        return ""
    said = shown(name, judged["metrics"][name])
    bounds = judged.get("intervals", {}).get(name)
    return f"{said} {_bounds(name, bounds)}" if bounds else said


def _bounds(name: str, bounds: Sequence[float]) -> str:
    low, high = (shown(name, bound) for bound in bounds)
    return f"[{low}, {high}]"
