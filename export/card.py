"""`card.md` of a bundle: what the model is, made from what its manifest holds and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zscr.artefact import file_entry, write_manifest
from zscr.data.collection import SPLITS, Collection
from zscr.export.card_figures import figure_lines
from zscr.export.card_precision import precision_lines
from zscr.export.card_table import table
from zscr.infer.bundle import KIND, spoken
from zscr.infer.bundle_manifest import PAIR, fields_of
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
    parts = (_about, _data, figure_lines, _parity, precision_lines, _limits)
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


def _limits(body: Mapping[str, Any]) -> Iterator[str]:
    yield "## Limits"
    yield ""
    for name, entry in body["graphs"].items():
        for spec in entry["inputs"] if entry["role"] != PAIR else ():
            if "max_length" in spec:
                unit = spec.get("unit", "tokens")
                yield f"- `{name}`: a text is cut after {spec['max_length']} {unit}"
    yield "- a score is a cosine, and no probability"
    if not (body.get("precisions") or body.get("gallery_precisions")):
        yield "- other precisions than fp32 were not tried"
    yield "- latency, memory and other collections: not measured"
