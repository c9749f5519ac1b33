"""Predicted beside measured latency of a bundle's query graphs, a query at a time.

The prediction is what the measured machine cannot beat: the longer of reading the weights once and
of computing the products at the peak of fp32; see `graph_work` for what is counted.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from zscr.data.records import Query
from zscr.errors import InputError, ZscrError
from zscr.infer.bundle import Bundle, spoken
from zscr.infer.doctor.machine import Memory
from zscr.infer.doctor.speed import Speed, seconds_of
from zscr.infer.encoder import Encoder
from zscr.infer.inputs.prepared import Feeds
from zscr.infer.models.samples import Samples, drawn_samples, spread
from zscr.infer.runners.graph_content import read_graph
from zscr.infer.runners.graph_work import Work, work_of

QUERIES, ROUNDS = 5, 5
_COPIES = 4  # of a graph's file that are in memory at once, at most, while it is loaded twice


@dataclass(frozen=True)
class Latency:
    """One query graph at batch 1.

    Attributes:
        graph: its name; takes: what its queries fill.
        feeds: the input's shape that the prediction is of: `input_ids 1 x 14`.
        work: of the graph; None, with the `fault`, where it could not be run.
        predicted_ms: of the graph; bound: `memory` or `products`, which takes longer.
        measured_ms: the median of the graph; query_ms: with its preparation, from text or file.
        queries: how many were timed, and what they are; ran: what computed.
        operators: how many the graph has.
    """

    graph: str
    takes: str
    fault: str | None = None
    feeds: str = ""
    work: Work | None = None
    predicted_ms: float = 0.0
    bound: str = ""
    measured_ms: float = 0.0
    query_ms: float = 0.0
    queries: str = ""
    ran: str = ""
    operators: int = 0

    @property
    def ratio(self) -> float:
        """How many times the prediction it takes."""
        return self.measured_ms / self.predicted_ms


def latencies(bundle: Bundle, speed: Speed, memory: Memory) -> list[Latency]:
    """Time the query graphs of a bundle on its runtime, and say what they should take."""
    with drawn_samples() as drawn:
        return [
            _latency(bundle, fields, graph, drawn, speed, memory)
            for fields, graph in bundle.takes.items()
        ]


def _latency(
    bundle: Bundle,
    fields: frozenset[str],
    graph: str,
    drawn: Samples,
    speed: Speed,
    memory: Memory,
) -> Latency:
    about = Latency(graph, spoken(fields))
    try:
        _require_room(bundle, graph, memory)
        encoder = bundle.graph(graph)
        queries, of = _queries(bundle, fields, drawn)
        return _timed(about, encoder, queries, of, speed)
    except (ZscrError, ValueError) as error:
        return Latency(graph, spoken(fields), fault=str(error))


def _require_room(bundle: Bundle, graph: str, memory: Memory) -> None:
    """Refuse a graph that would not fit into the memory that is free."""
    free = memory.usable if memory.free is None else min(memory.usable, memory.free)
    name = bundle.file_of(graph)
    size = bundle.manifest.files[name]["bytes"]
    if _COPIES * size > free:
        raise InputError(
            f"{name} has {size / 1e6:,.0f} MB, and to run it twice may take {_COPIES} times that, "
            f"more than the {free / 1e6:,.0f} MB that are free; free some, or use a larger machine"
        )


def _queries(bundle: Bundle, fields: frozenset[str], drawn: Samples) -> tuple[list[Query], str]:
    """Return a few queries that fill these fields, and what they are."""
    own = spread([*bundle.examples], QUERIES)
    texts, files = own or drawn.texts, drawn.images
    count = min(QUERIES, len(texts) if "text" in fields else QUERIES)
    if fields - {"text", "image", "sketch"}:
        raise InputError(f"queries of {spoken(fields)} cannot be made up; time them by hand")
    told = [f"{count} of the bundle's examples" if own else f"{count} texts"]
    told = (told if "text" in fields else []) + (["drawn images"] if fields - {"text"} else [])
    asked = [
        Query(
            text=texts[row] if "text" in fields else None,
            image=files[row] if "image" in fields else None,
            sketch=files[row] if "sketch" in fields else None,
        )
        for row in range(count)
    ]
    return asked, " with ".join(told)


def _timed(
    about: Latency, encoder: Encoder, queries: Sequence[Query], of: str, speed: Speed
) -> Latency:
    feeds = [encoder.prepare([query]).feeds for query in queries]
    middle = sorted(feeds, key=_size)[len(feeds) // 2]
    work = work_of(encoder.graph, middle)
    reading = work.weight_bytes / (speed.gb_s * 1e9)
    computing = 2 * work.macs / (speed.gflop_s * 1e9)
    prepared = [_milliseconds(partial(encoder.prepare, [query])) for query in queries]
    graphs = [_milliseconds(partial(encoder.run, fed)) for fed in feeds]
    graph = statistics.median(graphs)
    return Latency(
        about.graph,
        about.takes,
        None,
        ", ".join(f"{name} {_shape(rows.shape)}" for name, rows in [*middle.items()][:1]),
        work,
        max(reading, computing) * 1e3,
        "memory" if reading > computing else "products",
        graph,
        graph + statistics.median(prepared),
        of,
        encoder.runner.ran,
        len(read_graph(encoder.graph).nodes),
    )


def _size(feeds: Feeds) -> int:
    return sum(rows.size for rows in feeds.values())


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _milliseconds(call: Callable[[], object]) -> float:
    """Return the median of a few calls."""
    return 1e3 * statistics.median(seconds_of(call, ROUNDS))
