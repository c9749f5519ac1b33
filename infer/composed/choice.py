"""Which composition answers a query, and why none can, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.bundle import Bundle, spoken
from zscr.infer.inputs.sentence import PLACE
from zscr.infer.reading import fault_in

if TYPE_CHECKING:  # most queries are of a single field
    from zscr.infer.composition.composition import Composition


def choose(bundle: Bundle, query: Query) -> Composition | None:
    """Return the composition that a query names, else the bundle's first that can answer it.

    That is the first that takes what the text replaces, if the query says it, and has a place for
    the image, if the text has. None is for queries of a single field, and for sums.

    Raises:
        InputError: a query of a single field names a composition or says what its text replaces,
            or what it names is unknown or takes no such query.
    """
    if query.terms or len(query.fields) < 2:
        for one in (query, *(term.query for term in query.terms or ())):
            _require_plain(one)
        return None
    ways = bundle.composed.get(query.fields)
    if not ways:
        bundle.route(query.fields)  # which refuses it, with what the bundle takes
        return None
    if query.compose is not None:
        return _named(bundle, ways, query)
    faults = [_instead_fault(one, query, ways) for one in ways.values()]
    fitting = [one for one, fault in zip(ways.values(), faults, strict=True) if fault is None]
    if not fitting:
        raise InputError(str(faults[0]))
    placed = [one for one in fitting if PLACE in str(query.text) and has_place(bundle, one)]
    return (placed or fitting)[0]


def has_place(bundle: Bundle, composition: Composition) -> bool:
    """Say whether the texts of a composition are sentences in which the image has a place."""
    if composition.graph is None:
        return False
    return any(spec["kind"] == "prompt" for spec in bundle.graphs[composition.graph]["inputs"])


def text_fault(bundle: Bundle, composition: Composition, query: Query) -> str | None:
    """Return why a query's texts cannot be composed, such as a place that there is not."""
    if fault := fault_in(query):
        return fault
    if has_place(bundle, composition):
        return None
    others = [one.name for one in bundle.composed[query.fields].values() if has_place(bundle, one)]
    fix = " or ".join(["leave it out", *(f"compose by {name}" for name in others)])
    for name, text in (("text", query.text), ("instead_of", query.instead_of)):
        if PLACE in str(text or ""):
            return (
                f"query {query.id} has a {PLACE} in its {name}, where an image would stand, but "
                f"'{composition.name}' puts none into a text; {fix}"
            )
    return None


def _require_plain(query: Query) -> None:
    for name in ("compose", "instead_of"):
        if getattr(query, name) is not None:
            raise InputError(
                f"it has {name} without a text beside an image or a sketch; give both, or leave it "
                f"out"
            )


def _named(bundle: Bundle, ways: Mapping[str, Composition], query: Query) -> Composition:
    name = str(query.compose)
    if name not in ways:
        known = ", ".join(ways)
        raise InputError(
            f"'{bundle.name}' composes {spoken(query.fields)} by {known}, not by '{name[:40]}'"
        )
    if fault := _instead_fault(ways[name], query, ways):
        raise InputError(fault)
    return ways[name]


def _instead_fault(
    composition: Composition, query: Query, ways: Mapping[str, Composition]
) -> str | None:
    """Return what is wrong with what a query says its text replaces, or with its saying nothing."""
    from zscr.infer.composition.available import needs_instead, takes_instead

    if query.instead_of is not None and not takes_instead(composition):
        others = " or ".join(name for name, one in ways.items() if takes_instead(one)) or "none"
        return (
            f"it has instead_of, which '{composition.name}' does not use; leave it out or compose "
            f"by {others}"
        )
    if query.instead_of is None and needs_instead(composition):
        return (
            f"'{composition.name}' subtracts what the text replaces, and the bundle holds no mean "
            f"of texts that stands for it; say it: instead_of"
        )
    return None
