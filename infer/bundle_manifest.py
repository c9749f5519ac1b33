"""What the manifest of a bundle holds, and what is read by it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zscr.artefact import Manifest, read_manifest, read_verified
from zscr.disk import reading_faults
from zscr.errors import ArtefactError
from zscr.infer.composition.fields import COMPOSITION
from zscr.infer.inputs.make import INPUT
from zscr.infer.precision import FASTEST
from zscr.infer.reranking import Reranking
from zscr.schema import (
    anything,
    by_kind,
    file_name,
    flag,
    integer,
    listing,
    mapping,
    maybe,
    number,
    one_of,
    record,
    text,
    title,
    words,
)
from zscr.strict_json import parse_json

if TYPE_CHECKING:
    from zscr.infer.composition.composition import Composition

KIND, GALLERY, EXAMPLES = "bundle", "gallery", "examples.jsonl"
PAIR = "pair"  # the role of a graph that re-ranks
_RUN = {"output": text(200), "variants": mapping(record({"file": file_name}), needed=[])}
_ENCODES = record(
    _RUN | {"inputs": listing(INPUT, 1, 8)}, {"feature": text(200), "tokens": text(200)}
)
_TOKENS = record({"graph": title, "names": listing(text(200), 1, 1)})  # of another graph
_GRAPH = by_kind(
    "role",
    {
        "query": _ENCODES,
        "gallery": _ENCODES,
        "pair": record(_RUN | {"inputs": listing(_TOKENS, 2, 2)}),
    },
)
_RERANKING = record(
    {"graph": title, "kept": flag, "top": integer(1, 1 << 20), "mix": number(0, 1)}
    | {"gain": number(-1, 1)},
    {"why": words},
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
        "reranking": maybe(_RERANKING),
        "fastest": FASTEST,
        "fastest_by": mapping(FASTEST, keys=text(40)),
        "precisions": mapping(anything),
        "gallery_precisions": mapping(anything),
    },
)


def fields_of(graph: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields of a query that a graph's entry takes; a pair takes none."""
    specs = graph["inputs"] if graph["role"] != PAIR else ()
    return frozenset(str(spec["field"]) for spec in specs)


def pair_name(manifest: Manifest) -> str | None:
    """Return the name of the graph that re-ranks; None where a bundle has none.

    Raises:
        ArtefactError: there are several, or it takes tokens that no query graph or gallery gives.
    """
    graphs = manifest.body["graphs"]
    pairs = [name for name, graph in graphs.items() if graph["role"] == PAIR]
    for name in pairs:
        first, second = (graphs.get(spec["graph"], {}) for spec in graphs[name]["inputs"])
        sound = first.get("role") == "query" and second is graphs[GALLERY] and GALLERY not in pairs
        if len(pairs) > 1 or not sound or not ("tokens" in first and "tokens" in second):
            raise ArtefactError(
                f"the graph '{name}' does not take the tokens of a query graph and of the gallery, "
                f"or is not the only one that does; make the bundle anew"
            )
    return pairs[0] if pairs else None


def reranking_of(manifest: Manifest) -> Reranking | None:
    """Return how the best images are re-ranked, where that helped when the bundle was made."""
    told = manifest.body.get("reranking")
    return Reranking(told["top"], told["mix"]) if told and told["kept"] else None


def graph_file(manifest: Manifest, name: str, precision: str | None = None) -> str:
    """Return the file of a graph in a precision that it is there in; None is the default one."""
    precision = precision or manifest.body["default_precision"]
    return str(manifest.body["graphs"][name]["variants"][precision]["file"])


def stored_compositions(manifest: Manifest) -> dict[str, Composition]:
    """Return the compositions that a bundle holds by name, the default one first.

    Raises:
        ArtefactError: one of them does not fit the graphs.
    """
    from zscr.infer.composition.entry import composition_from, require_fitting

    entries = dict(manifest.body.get("compositions", {}))
    first = manifest.body.get("composition")
    names = [*([first] if first in entries else []), *(n for n in entries if n != first)]
    found = {name: composition_from(name, entries[name]) for name in names}
    graphs = manifest.body["graphs"].items()
    fields = {name: fields_of(graph) for name, graph in graphs if graph["role"] != PAIR}
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


def open_manifest(folder: Path) -> Manifest:
    """Read the manifest of a bundle, or of what a link names.

    Raises:
        ArtefactError: the folder is absent, or no bundle.
    """
    with reading_faults(folder):
        there = folder.exists()
    if not there:
        raise ArtefactError(f"there is no bundle {folder}; run 'zscr export' or name another")
    folder = folder.resolve()
    manifest = read_manifest(folder, KIND, FIELDS)
    precision = manifest.body["default_precision"]
    for name, graph in manifest.body["graphs"].items():
        if precision not in graph["variants"]:
            raise ArtefactError(f"{folder} has no graph '{name}' in {precision}; make it again")
    return manifest
