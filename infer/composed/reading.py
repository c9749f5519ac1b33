"""The fields of a batch of queries, each embedded by the graph of its channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zscr.data.records import Query
from zscr.infer.bundle import Bundle
from zscr.infer.composition.composition import Channel
from zscr.infer.encoder import Rows
from zscr.infer.reading import notes_of, read_batch


@dataclass(frozen=True, eq=False)
class Read:
    """What one graph made of one field of B queries.

    Attributes:
        rows: (B, D) unit rows; those of queries that cannot be read mean nothing.
        faults: query -> why it cannot be read; notes: query -> what is to be told of it.
        ran: what computed it.
    """

    rows: Rows
    faults: Mapping[int, str]
    notes: Mapping[int, tuple[str, ...]]
    ran: str


def read_field(bundle: Bundle, graph: str, queries: Sequence[Query], dim: int) -> Read:
    """Embed queries of a single field by one of a bundle's graphs."""
    encoder = bundle.graph(graph)
    reading = read_batch(encoder, queries)
    rows, notes = np.zeros((len(queries), dim), np.float32), {}
    if reading.prepared is not None:
        rows[list(reading.rows)] = encoder.run(reading.prepared.feeds)
        for place, row in enumerate(reading.rows):
            notes[row] = tuple(notes_of(place, reading.prepared, encoder))
    return Read(rows, reading.faults, notes, encoder.runner.ran)


def of_field(queries: Sequence[Query], channel: Channel) -> list[Query]:
    """Return queries of the channel's field alone, a text in the channel's template."""
    named = ((query.id, getattr(query, channel.field)) for query in queries)
    return [Query(name, **{channel.field: _shaped(value, channel)}) for name, value in named]


def of_replaced(queries: Sequence[Query], channel: Channel) -> list[Query]:
    """Return queries of what the texts replace, in the channel's template; all of them say it."""
    texts = (_shaped(one.instead_of, channel) for one in queries)
    names = (f"{one.id} (instead_of)" for one in queries)  # as faults call them
    return [Query(name, text=text) for name, text in zip(names, texts, strict=True)]


def _shaped(value: Any, channel: Channel) -> Any:
    if isinstance(value, str) and channel.field == "text" and value.strip():
        return channel.template.replace("{}", value)
    return value
