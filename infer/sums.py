"""Queries that are sums: each term is embedded by its own graph, and the weighted rows are added.

Of terms with the unit rows u_i and the weights w_i the query is q = s / |s|, s = Σ w_i u_i. An
image with the unit row g then scores q·g = Σ w_i (u_i·g) / |s|: images are ranked by the weighted
sum of what each term alone would score them, and |s| makes a cosine of that. So neither the order
of the terms matters nor a factor that all weights share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zscr.data.records import Query, Term
from zscr.errors import InputError
from zscr.infer.answers.answer import describe
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import Rows
from zscr.infer.inputs.sentence import PLACE
from zscr.infer.reading import notes_of, read_batch

# Exported graphs agree with the models that they were made of to 2e-5: a sum that is not well above
# that is made of such differences, not of what was asked.
_LEAST = 1e-4


@dataclass(frozen=True, eq=False)
class Summed:
    """A sum of terms: its unit row (1, D), what is to be noted of it, and what computed it."""

    row: Rows
    notes: tuple[str, ...]
    ran: str


def add_up(bundle: Bundle, query: Query) -> Summed:
    """Embed each term of a query and add them up.

    Raises:
        InputError: the bundle does not take a term, a term cannot be read, a weight is zero or no
            number, a text has a place for an image beside it, or the terms cancel each other out.
    """
    assert query.terms, "only sums come here"
    _require_no_place(query.terms)
    terms, notes, ran = query.terms, list[str](), ""
    total, most = np.zeros(bundle.dim), 0.0
    for term in terms:
        _require_weight(term)
        encoder = bundle.route(term.query.fields)
        reading = read_batch(encoder, [term.query])
        if reading.faults or reading.prepared is None:
            raise InputError(next(iter(reading.faults.values())))
        total += term.weight * encoder.run(reading.prepared.feeds)[0].astype(np.float64)
        most, ran = most + abs(term.weight), encoder.runner.ran
        told = notes_of(0, reading.prepared, encoder)
        notes += [f"{describe(term.query)}: {note}" for note in told]
    length = float(np.linalg.norm(total))
    if length < _LEAST * most:
        raise InputError(
            f"the terms of {describe(query)} cancel each other out, so that nothing is asked for; "
            f"leave one out or change a weight"
        )
    row = (total / length).astype(np.float32)[None]
    return Summed(row, (*_note_of(terms), *notes), ran)


def _note_of(terms: Sequence[Term]) -> tuple[str, ...]:
    if len(terms) > 1:
        return (f"a sum of {len(terms)} terms",)
    return ("what is least like it comes first",) if terms[0].weight < 0 else ()


def _require_weight(term: Term) -> None:
    if not 0 < abs(term.weight) < float("inf"):  # NaN is neither
        raise InputError(
            f"{describe(term.query)} has the weight {term.weight:g}, which asks for nothing; give "
            f"another, or leave it out"
        )


def _require_no_place(terms: Sequence[Term]) -> None:
    """Refuse a text with a place for an image that stands beside it: a sum puts none there."""
    if not any(term.query.fields & {"image", "sketch"} for term in terms):
        return
    for term in terms:
        if PLACE in str(term.query.text or ""):
            raise InputError(
                f"the term '{describe(term.query):.80}' has a {PLACE}, where an image would stand, "
                f"but a sum puts none into a text; leave it out, or compose both by a way that "
                f"does (--compose)"
            )
