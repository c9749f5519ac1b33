"""What a model's manifest says of it, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zscr.infer.bundle import Bundle, spoken
from zscr.infer.bundle_manifest import PAIR
from zscr.infer.models.installed import find_model

_PROVENANCE = ("family", "source", "revision", "licence", "languages", "run", "score")


def about_model(name: str) -> Iterator[str]:
    """Yield lines about the bundle called `name`.

    Raises:
        ConfigError: there is none.
        ArtefactError: it is damaged.
    """
    yield from about_bundle(Bundle.open(find_model(name)))


def about_bundle(bundle: Bundle) -> Iterator[str]:
    """Yield lines about a bundle, by its manifest.

    Raises:
        ArtefactError: it is damaged.
    """
    body = bundle.manifest.body
    yield f"{bundle.folder}: method {body.get('method', '-')}, {bundle.dim} dimensions"
    for graph, entry in bundle.graphs.items():
        yield f"graph {graph}: {_inputs(entry)}{_parity(entry, body['default_precision'])}"
    for taken, ways in bundle.composed.items():
        for number, one in enumerate(ways.values()):
            first = " (the first)" if number == 0 and len(ways) > 1 else ""
            yield f"{spoken(taken)} by {one.name}{first}: {one.about}"
    provenance = body.get("provenance", {})
    for key in _PROVENANCE:
        if provenance.get(key):
            yield f"{key}: {_spoken(provenance[key])}"
    yield f"space {bundle.space[:12]}, to which indexes are tied"


def _inputs(entry: Mapping[str, Any]) -> str:
    """Return what a graph takes: fields of a query, or the tokens of other graphs."""
    if entry["role"] == PAIR:
        return f"tokens of {' and '.join(spec['graph'] for spec in entry['inputs'])}"
    return " and ".join(str(spec["field"]) for spec in entry["inputs"])


def _parity(entry: Mapping[str, Any], precision: str) -> str:
    """Return how far a graph is from what it was made of, where the manifest says so."""
    parity = entry["variants"][precision].get("parity")
    found = parity.get("max_abs") if isinstance(parity, Mapping) else None
    return f", {found:.1e} from its origin at most" if isinstance(found, float) else ""


def _spoken(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
