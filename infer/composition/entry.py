"""A composition as a bundle's manifest holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zscr.errors import ArtefactError, ConfigError
from zscr.infer.composition.composition import (
    Channel,
    Composition,
    Expansion,
    Fusion,
    Vocabulary,
)


def composition_from(name: str, entry: Mapping[str, Any]) -> Composition:
    """Return a composition of its entry in a manifest, which `fields.COMPOSITION` has taken."""
    fusion = dict(entry.get("fusion", {"kind": "sum"}))
    fusion["weights"] = tuple(fusion.get("weights", ()))
    expansion, vocabulary = entry.get("expansion"), entry.get("vocabulary")
    return Composition(
        name,
        entry["about"],
        entry.get("graph"),
        tuple(Channel(**_known(Channel, one)) for one in entry.get("channels", ())),
        Fusion(**_known(Fusion, fusion)),
        entry.get("gallery_mean"),
        entry.get("moments"),
        expansion and Expansion(**_known(Expansion, expansion)),
        vocabulary and Vocabulary(**_known(Vocabulary, vocabulary)),
    )


def require_fitting(composition: Composition, graphs: Mapping[str, frozenset[str]]) -> None:
    """Refuse a composition that the graphs of its bundle do not bear out.

    Args:
        graphs: name -> the fields that it takes.

    Raises:
        ArtefactError: says which.
    """
    if fault := _fault(composition, graphs):
        raise ArtefactError(f"the composition '{composition.name}' {fault}; make the bundle anew")


def _fault(composition: Composition, graphs: Mapping[str, frozenset[str]]) -> str | None:
    channels = composition.channels
    if (composition.graph is None) == (not channels):
        return "has not just one of a graph and channels"
    if composition.graph is not None:
        return None if composition.graph in graphs else f"names no graph: '{composition.graph}'"
    for one in channels:
        if graphs.get(one.graph) != frozenset({one.field}):
            return f"has a channel of {one.field} by '{one.graph}', which does not take it alone"
        if "{}" not in one.template:
            return f"has a template without a place for the text, '{one.template:.40}'"
    if len(composition.fields) < len(channels):
        return "has two channels of one field"
    if composition.vocabulary and ("text", 2) != (channels[-1].field, len(channels)):
        return "has a vocabulary, but is not of an image and then a text"
    try:
        composition.fusion.check(len(channels))
    except ConfigError as error:
        return f"cannot be computed ({error})"
    return None


def _known(kind: type[Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what this release does not know, as everywhere in a manifest."""
    return {name: value for name, value in entry.items() if name in kind.__dataclass_fields__}
