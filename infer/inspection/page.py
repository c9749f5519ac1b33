"""What was found of a path, laid out for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from zscr.infer.inspection.inspected import NOT_CHECKED, SOUND, Graph, Inspected

_FILES, _OPERATORS, _INDENT, _WIDTH = 20, 10, 18, 80


def page(found: Inspected) -> Iterator[str]:
    """Yield lines: what it is, its facts, graphs, files, and what takes it."""
    yield f"{found.path}: {found.what}"
    for name, value in found.facts.items():
        yield f"  {name:<{_INDENT}}{_value(name, value)}"
    for line in found.about:
        yield from wrap(line, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    for name, graph in found.graphs.items():
        yield ""
        yield from _graph(name, graph)
    if found.files:
        yield ""
        yield from _files(found)
    if found.next:
        yield ""
        yield "next"
        yield from (f"  {line}" for line in found.next)


def _graph(name: str, graph: Graph | str) -> Iterator[str]:
    if isinstance(graph, str):
        yield f"graph {name} {graph}"
        return
    opsets = ", ".join(f"{domain} {version}" for domain, version in graph.opsets.items())
    made = f", by {graph.producer}" if graph.producer else ""
    yield f"graph {name}: {graph.parameters:,} parameters, {_size(graph.bytes)}; {opsets}{made}"
    yield from (f"  takes {key}: {said}" for key, said in graph.inputs.items())
    yield from (f"  gives {key}: {said}" for key, said in graph.outputs.items())
    first = [f"{name} {count}" for name, count in [*graph.operators.items()][:_OPERATORS]]
    rest = sum([*graph.operators.values()][_OPERATORS:])
    more = f", others {rest}" if rest else ""
    for start in range(0, len(first), _OPERATORS // 2):
        end = start + _OPERATORS // 2
        last = more if end >= len(first) else ","
        yield f"  {'operators' if start == 0 else '':<10}{', '.join(first[start:end])}{last}"


def _files(found: Inspected) -> Iterator[str]:
    total = sum(one.bytes for one in found.files)
    checked = all(one.state != NOT_CHECKED for one in found.files)
    state = "" if checked else "; hashes not checked, --verify checks them"
    count = "1 file" if len(found.files) == 1 else f"{len(found.files):,} files"
    yield f"{count}, {_size(total)}{state}"
    faulty = [one for one in found.files if one.state not in (NOT_CHECKED, SOUND)]
    sound = [one for one in found.files if one not in faulty] if faulty else found.files
    for one in (*faulty, *sound[:_FILES]):
        said = one.state if one in faulty else "" if one.state == NOT_CHECKED else one.state
        yield f"  {_size(one.bytes):>10}  {one.name}{f'  {said}' if said else ''}"
    if len(sound) > _FILES:
        yield f"  and {len(sound) - _FILES:,} more"


def _value(name: str, value: object) -> str:
    return _size(value) if name == "bytes" and isinstance(value, int) else str(value)


def _size(size: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:,.1f} {unit}"
    return f"{size} B"
