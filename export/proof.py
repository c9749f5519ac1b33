"""Proof that a bundle's graphs compute what the trained heads do; its manifest holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from zscr.artefact import Stage, hash_file
from zscr.data.records import Query
from zscr.export.heads import DeployedHead
from zscr.export.parity import Parity, Tolerance, compare, require_parity, top_overlap
from zscr.infer.bundle import GALLERY, space_of
from zscr.infer.encoder import Encoder
from zscr.infer.runners.runner import Runtime
from zscr.train.heads import feature_of, tokens_of

METRIC, PRECISION = "cosine", "fp32"
FEATURE_OF, TOKENS_OF = "feature of ", "tokens of "  # how the parity of further outputs is named


def proven(
    stage: Stage, deployed: Sequence[DeployedHead], samples: Mapping[str, Sequence[Query]]
) -> dict[str, Any]:
    """Return what the manifest says of the graphs in a stage, once they are proven.

    Args:
        stage: with `<name>.onnx` of each head, and what feeds it.
        deployed: the heads, one of them the gallery's.
        samples: graph -> queries that fill its fields.

    Raises:
        ParityError: a graph differs from its head.
    """
    exported = {one.name: opened(stage, one, one.output) for one in deployed}
    further = {
        of + one.name: opened(stage, one, output)
        for one in deployed
        for of, output in ((FEATURE_OF, one.feature), (TOKENS_OF, one.tokens))
        if output
    }
    proof, overlaps = _prove(deployed, exported, further, samples)
    return {
        "dim": exported[GALLERY].dim,
        "metric": METRIC,
        "space": _space(stage, exported[GALLERY]),
        "default_precision": PRECISION,
        "graphs": {one.name: _entry(one, proof) for one in deployed},
        "top10_overlap": overlaps,
        "tolerance": asdict(Tolerance()),
    }


def opened(stage: Stage, deployed: DeployedHead, output: str) -> Encoder:
    """Load a graph for one output, as the runtime will, from the folder not yet published."""
    return Encoder(
        stage.folder / f"{deployed.name}.onnx",
        deployed.specs,
        output=output,
        name=deployed.name,
        sha256="",
        runtime=Runtime(),
    )


def _entry(deployed: DeployedHead, proof: Mapping[str, Parity]) -> dict[str, Any]:
    """Return a graph's entry in the manifest."""
    variant = {"file": f"{deployed.name}.onnx", "parity": asdict(proof[deployed.name])}
    entry: dict[str, Any] = {"role": deployed.head.role, "output": deployed.output}
    if deployed.feature:
        entry["feature"] = deployed.feature
        variant["feature_parity"] = asdict(proof[FEATURE_OF + deployed.name])
    if deployed.tokens:
        entry["tokens"] = deployed.tokens
        variant["tokens_parity"] = asdict(proof[TOKENS_OF + deployed.name])
    return entry | {"inputs": deployed.specs, "variants": {PRECISION: variant}}


def _space(stage: Stage, gallery: Encoder) -> str:
    """Return the name of the space that the gallery graph embeds into."""
    graph = hash_file(stage.folder / f"{GALLERY}.onnx")
    return space_of(graph, gallery.specs, gallery.dim, METRIC)


def _prove(
    deployed: Sequence[DeployedHead],
    exported: Mapping[str, Encoder],
    further: Mapping[str, Encoder],
    samples: Mapping[str, Sequence[Query]],
) -> tuple[dict[str, Parity], dict[str, float]]:
    """Return the parity of each graph and of what else it gives, and the top 10's agreement."""
    pairs, found = {}, {}
    for one in deployed:
        asked = samples[one.name]
        pairs[one.name], found[one.name] = compare(one, exported[one.name], asked)
        for of, head in ((FEATURE_OF, feature_of(one.head)), (TOKENS_OF, tokens_of(one.head))):
            if head:
                given = compare(replace(one, head=head), further[of + one.name], asked)
                found[of + one.name] = given[1]
    overlaps = {
        one.name: top_overlap(pairs[one.name], pairs[GALLERY])
        for one in deployed
        if one.head.role == "query"
    }
    require_parity(found, overlaps, Tolerance())
    return found, overlaps
