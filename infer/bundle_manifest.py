"""What the manifest of a bundle holds, and what is read by it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zscr.artefact import Manifest, read_verified
from zscr.errors import ArtefactError
from zscr.infer.composition.composition import Composition
from zscr.infer.composition.entry import COMPOSITION, composition_from, require_fitting
from zscr.infer.inputs.make import INPUT
from zscr.schema import (
    anything,
    file_name,
    integer,
    listing,
    mapping,
    one_of,
    record,
    text,
    title,
    words,
)
from zscr.strict_json import parse_json

KIND, GALLERY, EXAMPLES = "bundle", "gallery", "examples.jsonl"
_GRAPH = record(
    {
        "role": one_of("query", "gallery", "pair"),
        "output": text(200),
        "inputs": listing(INPUT, 1, 8),
        "variants": mapping(record({"file": file_name}), needed=[]),
    },
    {"feature": text(200)},
)
_EXAMPLE = record({"text": words, "class": words})
FIELDS = record(
    {
        "dim": integer(1, 1 << 16),
        "space": text(200, least=1),
        "default_precision": text(40),
        "graphs": mapping(_GRAPH, keys=title, needed=[GALLERY]),
    },
    {
        "metric": one_of("cosine"),
        "method": text(200),
        "head_settings": mapping(anything),
        "provenance": mapping(anything),
        "top10_overlap": mapping(anything),
        "compositions": mapping(COMPOSITION, keys=title),
        "composition": title,
    },
)


def fields_of(graph: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields of a query that a graph's entry takes."""
    return frozenset(str(spec["field"]) for spec in graph["inputs"])


def graph_file(manifest: Manifest, name: str) -> str:
    """Return the file of a graph in a bundle's default precision."""
    precision = manifest.body["default_precision"]
    return str(manifest.body["graphs"][name]["variants"][precision]["file"])


def stored_compositions(manifest: Manifest) -> dict[str, Composition]:
    """Return the compositions that a bundle holds by name, the default one first.

    Raises:
        ArtefactError: one of them does not fit the graphs.
    """
    entries = dict(manifest.body.get("compositions", {}))
    first = manifest.body.get("composition")
    names = [*([first] if first in entries else []), *(n for n in entries if n != first)]
    found = {name: composition_from(name, entries[name]) for name in names}
    fields = {name: fields_of(graph) for name, graph in manifest.body["graphs"].items()}
    for one in found.values():
        require_fitting(one, fields)
    return found


def read_examples(folder: Path, manifest: Manifest) -> dict[str, str]:
    """Read the texts whose right class is known -> that class; none where a bundle has none.

    Raises:
        ArtefactError: the file is damaged.
    """
    if EXAMPLES not in manifest.files:
        return {}
    found = {}
    try:
        for line in bytes(read_verified(folder, manifest, EXAMPLES)).splitlines():
            row = parse_json(line)
            _EXAMPLE(row, "an example")
            found[row["text"]] = row["class"]
    except ValueError as error:
        raise ArtefactError(f"{folder / EXAMPLES}: {error}") from error
    return found
