"""`card.md` of a bundle: what the model is, made from what its manifest holds and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zscr.artefact import file_entry, write_manifest
from zscr.data.collection import SPLITS, Collection
from zscr.export.card_figures import figure_lines
from zscr.export.card_table import table
from zscr.infer.bundle import KIND, spoken
from zscr.infer.bundle_manifest import PAIR, fields_of
from zscr.infer.runners.runner import ORT_CPU
from zscr.partial import write_atomically

CARD = "card.md"
_SPOKEN = {"seen": "trained on", "val": "chooses the weights", "unseen": "the figures' own"}


def data_of(collection: Collection) -> dict[str, Any]:
    """Return what a card says of a collection: its name, protocol, and the size of each split."""
    splits = {}
    for split in SPLITS:
        items = collection.split(split)
        splits[split] = {"classes": len(collection.splits[split]), "items": len(items)}
    return {"name": collection.name, "protocol": collection.protocol, "splits": splits}


def card_of(body: Mapping[str, Any]) -> str:
    """Return the card of a bundle, by its manifest's body."""
    parts = (_about, _data, figure_lines, _parity, _precision, _limits)
    sections = ("\n".join(part(body)) for part in parts)
    return "\n\n".join(section for section in sections if section) + "\n"


def write_card(folder: Path, files: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    """Give a bundle another manifest, and the card that is made from it.

    Args:
        folder: of the bundle; files: that it holds beside the card; body: of the manifest.
    """
    card = folder / CARD
    write_atomically(card, card_of(body).encode())
    write_manifest(folder, KIND, {**files, CARD: file_entry(card)}, body)


def _about(body: Mapping[str, Any]) -> Iterator[str]:
    made_of = body["provenance"]
    yield f"# {body['method']}"
    yield ""
    yield f"Unit vectors of {body['dim']} numbers, compared by {body['metric']}."
    yield f"Space {body['space'][:12]}, to which indexes are tied."
    for name, entry in body["graphs"].items():
        taken = spoken(fields_of(entry)) if entry["role"] != PAIR else "tokens"
        yield f"- `{name}` ({entry['role']}) takes {taken}"
    settings = {**made_of.get("config", {}), **body["head_settings"]}
    origin = f"seed {made_of.get('seed')}, weights of step {made_of.get('step')}"
    yield f"- {origin}, {made_of.get('selection')}"
    yield f"- settings: {', '.join(f'{name} {value}' for name, value in settings.items())}"
    versions = made_of.get("versions", {})
    yield f"- made with {', '.join(f'{name} {number}' for name, number in versions.items())}"


def _data(body: Mapping[str, Any]) -> Iterator[str]:
    if data := body["provenance"].get("data"):
        yield "## Data"
        yield ""
        yield f"Collection {data['name']}; protocol: {data['protocol']}"
        yield ""
        rows = ([s, n["classes"], n["items"], _SPOKEN[s]] for s, n in data["splits"].items())
        yield from table(["split", "classes", "items", ""], rows)
        if body["provenance"].get("refitted"):
            yield ""
            yield "The final weights were fitted to the validation classes, too."


def _parity(body: Mapping[str, Any]) -> Iterator[str]:
    yield "## Parity with the trained model, fp32"
    yield ""
    heads = ["graph", "max abs", "least cosine", "samples", "batches", "top-10 overlap"]
    yield from table(heads, map(_parity_row, body["graphs"].items(), [body] * len(body["graphs"])))


def _parity_row(named: tuple[str, Mapping[str, Any]], body: Mapping[str, Any]) -> Sequence[object]:
    name, entry = named
    parity = entry["variants"][body["default_precision"]]["parity"]
    cosine, overlap = parity.get("min_cosine"), body.get("top10_overlap", {}).get(name)
    return [
        name,
        f"{parity['max_abs']:.1e}",
        "" if cosine is None else f"{cosine:.6f}",
        parity["samples"],
        ", ".join(map(str, parity["batch_sizes"])),
        "" if overlap is None else f"{overlap:.3f}",
    ]


def _precision(body: Mapping[str, Any]) -> Iterator[str]:
    if not (told := body.get("precisions")):
        return
    yield "## Precision"
    yield ""
    heads = ["graph", "precision", "", "MB", "CPU ms, alone", "of 64", "cosine", "between batches"]
    heads += ["top-10", "mAP", "gain [95 %]", "queries"]
    rows = (
        [graph, rung, trial["status"], *_rung_row(figures)]
        for rung, trial in told["rungs"].items()
        for graph, figures in trial["graphs"].items()
    )
    yield from table(heads, rows)
    yield ""
    yield f"On {told['machine']['cpu']}, onnxruntime {told['machine']['packages']['onnxruntime']},"
    yield f"{told['threads']} thread, in turns; limits: {_limits_of(told['limits'])}."
    for rung, trial in told["rungs"].items():
        if trial.get("backend", ORT_CPU) != ORT_CPU:
            yield f"- {rung} ran in {trial['backend']}; it takes --backend {trial['backend']}"
        if "why" in trial:
            yield f"- {rung} is {trial['status']}: {trial['why']}"
    fastest = body.get("fastest")
    chosen = (
        f"{fastest['precision']}, with {', '.join(fastest['instructions'])}" if fastest else "none"
    )
    yield f"- runs unasked in place of fp32: {chosen}"


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


def _limits(body: Mapping[str, Any]) -> Iterator[str]:
    yield "## Limits"
    yield ""
    for name, entry in body["graphs"].items():
        for spec in entry["inputs"] if entry["role"] != PAIR else ():
            if "max_length" in spec:
                unit = spec.get("unit", "tokens")
                yield f"- `{name}`: a text is cut after {spec['max_length']} {unit}"
    yield "- a score is a cosine, and no probability"
    if not body.get("precisions"):
        yield "- other precisions than fp32 were not tried"
    yield "- latency, memory and other collections: not measured"
