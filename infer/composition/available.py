"""Which compositions answer queries of which fields: a bundle's own, then those without data.

The latter stand on the bundle's graphs of single fields alone, so every bundle that embeds texts
and images has them, however old it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from zscr.infer.composition.composition import Channel, Composition, Fusion

ARITHMETIC = "arithmetic"
# α of `slerp`, the text's share of the way: of Jang et al. for CIRCO and FashionIQ. Half the way is
# the average.
_SLERP = 0.8
_SEEN = ("image", "sketch")  # what a text can be about

Takes = Mapping[frozenset[str], str]  # fields of a query -> the graph that embeds them


def available(
    takes: Takes, stored: Mapping[str, Composition]
) -> dict[frozenset[str], dict[str, Composition]]:
    """Return the ways to answer queries that fill several fields, by name, the default first.

    A graph that takes several fields at once is a way of its own, called as it is, where no stored
    composition names it.

    Args:
        takes: of the bundle.
        stored: the bundle's compositions, the default first.
    """
    ways: dict[frozenset[str], dict[str, Composition]] = {}
    sketched = _of_sketches(takes, stored)
    for one in (*stored.values(), *_graphs(takes, stored), *sketched, *_without_data(takes)):
        ways.setdefault(fields_of(one, takes), {}).setdefault(one.name, one)
    return {fields: named for fields, named in ways.items() if len(fields) > 1}


def fields_of(composition: Composition, takes: Takes) -> frozenset[str]:
    """Return the fields of the queries that a composition answers."""
    of_graph = (fields for fields, graph in takes.items() if graph == composition.graph)
    return composition.fields or next(of_graph, frozenset())


def takes_instead(composition: Composition) -> bool:
    """Say whether it subtracts what a text replaces: text arithmetic."""
    return any(one.replaces for one in composition.channels)


def needs_instead(composition: Composition) -> bool:
    """Say whether queries must say what their text replaces, as nothing stored stands for it."""
    return takes_instead(composition) and not any(one.instead for one in composition.channels)


def _graphs(takes: Takes, stored: Mapping[str, Composition]) -> Iterator[Composition]:
    """Yield the graphs of several fields that no stored composition names."""
    named = {one.graph for one in stored.values()}
    for fields, graph in takes.items():
        if len(fields) > 1 and graph not in named:
            about = f"the model's own graph of {' and '.join(sorted(fields))}"
            yield Composition(graph, about, graph)


def _of_sketches(takes: Takes, stored: Mapping[str, Composition]) -> Iterator[Composition]:
    """Yield the stored compositions of channels with a sketch in the image's place.

    Its graph embeds into the same space, so what is stored of texts and of the gallery holds.
    """
    graph = takes.get(frozenset({"sketch"}))
    for one in stored.values():
        if graph is not None and "image" in one.fields and "sketch" not in one.fields:
            channels = (
                replace(part, field="sketch", graph=graph) if part.field == "image" else part
                for part in one.channels
            )
            yield replace(one, channels=tuple(channels))


def _without_data(takes: Takes) -> Iterator[Composition]:
    """Yield the compositions of a text with an image, or with a sketch, that need no data."""
    text = takes.get(frozenset({"text"}))
    for field in _SEEN:
        graph = takes.get(frozenset({field}))
        if text is not None and graph is not None:
            channels = (Channel(field, graph), Channel("text", text))
            yield from _of(channels, field)


def _of(channels: tuple[Channel, Channel], field: str) -> Iterator[Composition]:
    seen, text = channels
    about = f"{field} + text, of unit length each"
    yield Composition("average", about, channels=channels)
    about = f"{field} score · text score, each floored at 0"
    yield Composition("product", about, channels=channels, fusion=Fusion("product"))
    about = f"a point of the arc from {field} to text, {_SLERP:.0%} of the way"
    yield Composition("slerp", about, channels=channels, fusion=Fusion("slerp", value=_SLERP))
    about = "mean of both scores, each as its share of the normal distribution over the gallery"
    yield Composition("weicom", about, channels=channels, fusion=Fusion("cdf", value=0.5))
    about = f"{field} + text - what the text replaces"
    yield Composition(ARITHMETIC, about, channels=(seen, replace(text, replaces=True)))
