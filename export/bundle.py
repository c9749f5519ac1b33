"""From a run to a bundle: graphs, tokenizer, examples, proof; published only if the proof holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx

from zscr.artefact import Stage, dump_jsonl, staged
from zscr.data.collection import Collection
from zscr.export.heads import Side, build_graph, sides
from zscr.export.parity import Tolerance, as_json, compare, require_parity, top_overlap
from zscr.infer.bundle import KIND, Bundle
from zscr.infer.encoder import Encoder
from zscr.infer.runners.onnx import Runtime
from zscr.progress import say
from zscr.train.fit import Encoders, load_sources
from zscr.train.methods import selection
from zscr.train.run import Run, versions

SAMPLES = 64  # texts and images of validation classes that parity is measured on
EXAMPLES = 10  # texts a class kept in the bundle, to mark answers right or wrong


def export_run(run: Run, out: Path, *, noise_samples: int = 0) -> Bundle:
    """Write the bundle `out` from a run's best weights.

    Args:
        run: a validated run.
        out: the bundle's folder; must not exist.
        noise_samples: K fixed draws of noise averaged in the query graph; 0 folds it to its mean.

    Raises:
        ParityError: a graph differs from the trained model; nothing is written.
        MismatchError: the collection or an encoder has changed since the training.
    """
    collection, encoders = load_sources(run)
    method = run.load_best()
    method.average_noise(noise_samples)
    both = sides(method, encoders, run.dims)
    with staged(out, KIND) as stage:
        for side in both:
            say(f"exporting {side.name}.onnx")
            onnx.save(build_graph(method, side), stage.folder / f"{side.name}.onnx")
        _write_texts(stage, collection, encoders)
        exported = {side.name: _open(stage, side) for side in both}
        stage.body |= {
            "method": run.method,
            "dim": exported["query"].dim,
            "metric": "cosine",
            "precision": "fp32",
            "inputs": {side.name: [side.spec] for side in both},
            "outputs": {side.name: side.output for side in both},
            "noise_samples": noise_samples,
            "parity": _prove(both, exported, collection),
            "provenance": _provenance(run),
        }
    return Bundle.open(out)


def _open(stage: Stage, side: Side) -> Encoder:
    """Load a graph as the runtime will, from the folder that is not published yet."""
    graph = stage.folder / f"{side.name}.onnx"
    return Encoder(graph, side.spec, name=side.name, sha256="", runtime=Runtime())


def _write_texts(stage: Stage, collection: Collection, encoders: Encoders) -> None:
    """Add the tokenizer, and example texts of unseen classes with the class that is right."""
    if encoders.text is None:
        return
    if name := encoders.text.spec.get("tokenizer"):
        tokenizer = encoders.text.graph.with_name(str(name))
        (stage.folder / tokenizer.name).write_bytes(tokenizer.read_bytes())
    texts = collection.texts(collection.splits["unseen"])
    rows = [
        {"text": text, "class": name} for name, group in texts.items() for text in _spread(group)
    ]
    (stage.folder / "examples.jsonl").write_bytes(dump_jsonl(rows))


def _spread(texts: list[str]) -> list[str]:
    """Pick at most EXAMPLES texts, evenly over a class's texts and without its description."""
    rest = texts[1:] or texts
    return rest[:: max(1, len(rest) // EXAMPLES)][:EXAMPLES]


def _prove(
    both: tuple[Side, Side], exported: dict[str, Encoder], collection: Collection
) -> dict[str, Any]:
    pairs, found = {}, {}
    for side in both:
        values = _samples(side, collection)
        pairs[side.name], found[side.name] = compare(side, exported[side.name], values)
    overlap = top_overlap(pairs["query"], pairs["gallery"])
    tolerance = Tolerance()
    require_parity(found, overlap, tolerance)
    return as_json(found, overlap, tolerance)


def _samples(side: Side, collection: Collection) -> Any:
    """Take up to SAMPLES texts, images or vectors of the validation classes."""
    kind = "text" if side.name == "query" else "image"
    if side.encoder is None:
        rows = collection.vectors(kind)
        return rows[np.linspace(0, len(rows) - 1, min(SAMPLES, len(rows)), dtype=int)]
    if kind == "text":
        texts = collection.texts(collection.splits["val"])
        values: list[Any] = [text for group in texts.values() for text in group]
    else:
        items = collection.split("val")
        values = [collection.folder / item.image for item in items if item.image]
    return values[:: max(1, len(values) // SAMPLES)][:SAMPLES]


def _provenance(run: Run) -> dict[str, Any]:
    assert run.best is not None
    return {
        "run": str(run.folder),
        "mode": run.mode,
        "selection": selection(run.config),
        "step": run.best["step"],
        "seed": run.config.seed,
        "validation": run.best["figures"],
        "sources": dict(run.sources),
        "versions": versions(),
    }
