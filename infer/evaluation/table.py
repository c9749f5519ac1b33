"""The report of `zscr evaluate` laid out for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zscr.infer.evaluation.page import chosen

ROWS = ("Prec@1 macro", "Prec@10 macro", "Prec@50 macro", "AP@50 hits", "AP@50 relevant", "mAP")

Report = Mapping[str, Any]


def table(report: Report) -> str:
    """Lay a report out: the model's figures, then each control's; then the same generalised."""
    seeds = report["seeds"]
    named = f"seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else f"seed {seeds[0]}"
    lines = [
        f"{report['collection']}, {report['split']} classes: {report['queries']} queries, "
        f"{report['gallery']} images, {report['classes']} classes",
        f"{report['protocol']}; mode {report['mode']}, {report['selection']}, {named}, "
        f"torch {report['versions']['torch']}",
        "",
        f"{'':38}" + "".join(f"{name.removesuffix(' macro'):>15}" for name in ROWS),
    ]
    name = f"{report['method']} ({report['kind']})"
    lines += _model_rows(name, report)
    lines.append(_row("ceiling", _ceilings(report["metrics"])))
    lines.append(_row("chance", {key: report["chance"] for key in ROWS[:3]}))
    controls: Mapping[str, Report] = report.get("controls", {})
    for control, figures in controls.items():
        lines.append(_row(control, figures.get("metrics") or _as_macro(figures)))
    if "generalised" in report:
        lines += ["", *_generalised(name, report["generalised"], controls)]
    notes = {control: chosen(figures) for control, figures in controls.items()}
    lines += ["", *(f"{control}: {note}" for control, note in notes.items() if note)]
    return "\n".join(lines).rstrip()


def _model_rows(name: str, report: Report) -> list[str]:
    rows = [_row(name, report["metrics"])]
    if "sd" in report:
        rows.append(_row("  standard deviation over runs", report["sd"]))
    for place, bound in enumerate(("lower", "upper")):
        figures = {key: bounds[place] for key, bounds in report["intervals"].items()}
        rows.append(_row(f"  95 % over classes, {bound}", figures))
    return rows


def _generalised(name: str, generalised: Report, controls: Mapping[str, Report]) -> list[str]:
    unseen, seen = generalised["unseen"], generalised["seen"]
    lines = [f"generalised: {unseen['gallery']} images, the seen classes' (trained on) among them"]
    lines += _model_rows(f"{name}, unseen", unseen)
    lines.append(_row(f"{name}, seen", seen["metrics"]))
    lines.append(_row("harmonic mean", generalised["harmonic"]["metrics"]))
    for control, figures in controls.items():
        if "generalised" in figures:
            lines.append(_row(f"{control}, unseen", figures["generalised"]["unseen"]["metrics"]))
            harmonic = figures["generalised"]["harmonic"]["metrics"]
            lines.append(_row("  harmonic mean", harmonic))
    return lines


def _row(name: str, figures: Mapping[str, float]) -> str:
    cells = (f"{figures[key]:15.3f}" if key in figures else f"{'':15}" for key in ROWS)
    return (f"{name:38}" + "".join(cells)).rstrip()


def _ceilings(figures: Mapping[str, float]) -> dict[str, float]:
    pairs = {key: key.replace("macro", "ceiling") for key in ROWS[:3]}
    return {key: figures[name] for key, name in pairs.items()}


def _as_macro(figures: Mapping[str, float]) -> dict[str, float]:
    return {key if key == "mAP" else f"{key} macro": value for key, value in figures.items()}
