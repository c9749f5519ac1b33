"""Queries in batches that one graph takes, as they come: none waits for others to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from zscr.data.records import Query, Refused
from zscr.errors import InputError
from zscr.infer.inputs.sentence import PLACE

Asked = Query | Refused


def batches(asked: Iterable[Asked], most: int) -> Iterator[list[Asked]]:
    """Yield neighbours that are answered alike, or that are refused, `most` of them at once.

    Those are alike that fill the same fields and agree in what a composition is chosen by: its
    name, whether they say what is replaced, and whether the text has a place for the image.

    An iterator that can say whether its next query is `waiting`, as of a file of queries, ends a
    batch where it is not: whoever asks by a pipe gets an answer to each line that has come.

    Raises:
        InputError: it is something else.
    """
    coming, batch = iter(asked), list[Asked]()
    for one in coming:
        if not isinstance(one, Asked):
            raise InputError(f"a {type(one).__name__} is no query; make one by Query(id, text=…)")
        if batch and _kind(one) != _kind(batch[0]):
            yield batch
            batch = []
        batch.append(one)
        if len(batch) == most or not getattr(coming, "waiting", True):
            yield batch
            batch = []
    if batch:
        yield batch


def _kind(one: Asked) -> Any:
    if not isinstance(one, Query):
        return None
    has_place = len(one.fields) > 1 and PLACE in str(one.text)
    return one.fields, one.compose, one.instead_of is None, has_place
