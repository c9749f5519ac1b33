"""The precisions of a card: what each backend made of them, what is kept, and what runs unasked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zscr.export.card_table import table
from zscr.infer.runners.runner import ORT_CPU


def precision_lines(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the section, by a manifest's body; nothing where no precision was tried."""
    of_queries, of_gallery = body.get("precisions"), body.get("gallery_precisions")
    if of_queries or of_gallery:
        yield "## Precision"
    if of_queries:
        yield ""
        yield from _told(of_queries)
        yield f"- runs unasked in place of fp32: {_chosen(body.get('fastest'))}"
        for backend, fastest in body.get("fastest_by", {}).items():
            yield f"- runs unasked with --backend {backend}: {_chosen(fastest)}"
    if of_gallery:
        yield ""
        yield "The gallery, encoded in each, asked by queries in fp32:"
        yield ""
        yield from _told(of_gallery)
        yield "- none encodes a gallery unasked: `zscr index add --precision NAME`"


def _told(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of what was measured, on what, and why a precision is not kept."""
    heads = ["graph", "precision", "backend", "", "MB", "CPU ms, alone", "of 64", "cosine"]
    heads += ["between batches", "top-10", "mAP", "gain [95 %]", "queries"]
    rows = (
        [graph, rung, backend, trial["status"], *_rung_row(figures)]
        for rung, backend, trial in _trials(told)
        for graph, figures in trial["graphs"].items()
    )
    yield from table(heads, rows)
    yield ""
    packages = told["machine"]["packages"]
    names = ("onnxruntime", "openvino")
    made_by = [f"{name} {packages[name]}" for name in names if packages.get(name)]
    yield f"On {told['machine']['cpu']}, {', '.join(made_by)},"
    yield f"{told['threads']} thread, in turns; limits: {_limits_of(told['limits'])}."
    yield from _notes(told)


def _trials(told: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield each precision with a backend that it was tried on, and what came of it."""
    for rung, trial in told["rungs"].items():
        yield rung, trial.get("backend", ORT_CPU), trial
        for backend, other in trial.get("beside", {}).items():
            yield rung, backend, other


def _notes(told: Mapping[str, Any]) -> Iterator[str]:
    for rung, trial in told["rungs"].items():
        if trial.get("backend", ORT_CPU) != ORT_CPU:
            yield f"- {rung} ran in {trial['backend']}; it takes --backend {trial['backend']}"
    for rung, backend, trial in _trials(told):
        if "why" in trial:
            name = rung if backend == ORT_CPU else f"{rung} on {backend}"
            yield f"- {name} is {trial['status']}: {trial['why']}"


def _chosen(fastest: Mapping[str, Any] | None) -> str:
    if fastest is None:
        return "none"
    return f"{fastest['precision']}, with {', '.join(fastest['instructions'])}"


def _rung_row(figures: Mapping[str, Any]) -> Iterator[object]:
    yield f"{figures['bytes'] / 1e6:.1f}"
    for name in ("cpu_ms", "batch_cpu_ms"):
        yield f"{figures[name]:.2f}" if name in figures else ""
    for name, form in (("min_cosine", ".4f"), ("between_batches", ".4f"), ("top10_overlap", ".3f")):
        yield format(figures[name], form) if name in figures else ""
    yield f"{figures['mAP']:.4f}" if "mAP" in figures else ""
    low, high = figures.get("interval", (0, 0))
    yield f"{figures['gain']:+.4f} [{low:+.4f}, {high:+.4f}]" if "gain" in figures else ""
    yield f"{figures['queries']} of {figures['groups']} groups" if "queries" in figures else ""


def _limits_of(limits: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in limits.items())
