"""Queries of several fields as vectors, where nothing is known of what is searched."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.bundle import Bundle, spoken
from zscr.infer.composed.batch import Batch
from zscr.infer.composed.channels import Reader
from zscr.infer.composed.files import Files
from zscr.infer.composed.one_vector import summed, unit_rows
from zscr.infer.composition.available import needs_instead
from zscr.infer.composition.composition import Composition
from zscr.infer.encoder import Rows

_AT_ONCE = 32


class Embedding:
    """Embeds queries by the first of a bundle's compositions that makes one vector of channels.

    Attributes:
        composition: which one.

    Raises:
        InputError: the bundle has none for such fields.
    """

    def __init__(self, bundle: Bundle, fields: frozenset[str]) -> None:
        ways = bundle.composed.get(fields, {}).values()
        fitting = [one for one in ways if _is_vector(one) and not needs_instead(one)]
        if not fitting:
            raise InputError(f"'{bundle.name}' makes no vector of {spoken(fields)}; use another")
        self.composition: Composition = fitting[0]
        self._reader = Reader(bundle, Files(bundle))

    def encode(self, queries: Sequence[Query]) -> Rows:
        """Return unit rows (B, D).

        Raises:
            InputError: a query cannot be used.
        """
        blocks = [
            self._rows(queries[start : start + _AT_ONCE])
            for start in range(0, len(queries), _AT_ONCE)
        ]
        return np.concatenate(blocks)

    def _rows(self, queries: Sequence[Query]) -> Rows:
        batch = Batch(queries)
        rows = [self._reader.vectors(batch, one) for one in self.composition.channels]
        vectors = summed(batch, rows, self.composition.fusion)
        if batch.faults:
            raise InputError(batch.faults[min(batch.faults)])
        return unit_rows(batch, vectors)


def _is_vector(composition: Composition) -> bool:
    return bool(composition.channels) and (
        composition.fusion.is_linear and composition.vocabulary is None
    )
