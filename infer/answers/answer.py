"""What a query found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zscr.data.records import Query, Term
from zscr.errors import InputError

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Hit:
    """One gallery item found.

    Attributes:
        rank: 1 is the best.
        id: of the item; class_id, image: where it has them.
        score: its similarity to the query, higher is better.
        correct: whether it is relevant, where that is known.
        above_unrelated: the share, 0 to 1, of the queries unrelated to the index whose best image
            scores lower than this; None where the index is not calibrated for such queries.
        sha256: what its image's content was, where that is known.

    Raises:
        InputError: the score is NaN or infinite, which no format can carry.
    """

    rank: int
    id: str
    score: float
    class_id: str | None = None
    image: str | None = None
    correct: bool | None = None
    above_unrelated: float | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise InputError(
                f"the score of '{self.id}' at rank {self.rank} is {self.score}; "
                f"check the model and the index for NaN"
            )


@dataclass(frozen=True)
class Answer:
    """What one query found, best first.

    Attributes:
        query: what was asked.
        hits: the items, rank 1 first; none if the gallery has nothing.
        notes: what was not looked at, such as "truncated to 16 tokens".
        ran: what the query was embedded with, such as "onnxruntime 1.31.1, cpu, 2 threads".
        nothing: whether nothing looks like the query: its best image scores no higher than the best
            of half of the queries unrelated to the index.
        error: why the query could not be answered, in one sentence; there are no hits then.
        composition: what made one ranking of the query's several fields, such as `average`; None
            where it has one field, or is a sum.
        seen: the query's sketch as the model saw it, where that is not as it was given.
    """

    query: Query
    hits: tuple[Hit, ...]
    notes: tuple[str, ...] = ()
    ran: str = ""
    nothing: bool = False
    error: str | None = None
    composition: str | None = None
    seen: Image.Image | None = field(default=None, compare=False)


def refusal(query: Query, error: str) -> Answer:
    """Return the answer to a query that cannot be answered."""
    return Answer(query, (), error=error)


def remarks(answer: Answer) -> list[str]:
    """Return what people are told of an answer beside its hits.

    How it was composed, its notes, and whether it is nothing.
    """
    composed = [f"composed by {answer.composition}"] if answer.composition else []
    if not answer.nothing:
        return [*composed, *answer.notes]
    above = answer.hits[0].above_unrelated if answer.hits else None
    share = "" if above is None else f": {1 - above:.0%} of unrelated queries find as much"
    return [f"nothing looks like it{share}", *composed, *answer.notes]


def shown_fields(query: Query) -> dict[str, str]:
    """Return what is filled of a query as texts, in one order: texts, image, sketch, terms.

    An image that is open already is told by its size, since it has no name; of a vector nothing
    can be shown.
    """
    fields = ("text", "instead_of", "image", "sketch")
    filled = {name: value for name in fields if (value := getattr(query, name)) is not None}
    found = {name: _shown(value) for name, value in filled.items()}
    return found | ({"terms": _sum_of(query.terms)} if query.terms else {})


def _sum_of(terms: Sequence[Term]) -> str:
    """Return terms as they are written: "dog - leash + 0.5:grass"."""
    parts = []
    for term in terms:
        weight = "" if abs(term.weight) == 1 else f"{abs(term.weight):g}:"
        parts += ["-" if term.weight < 0 else "+", f"{weight}{describe(term.query)}"]
    return " ".join(parts[1:] if parts[0] == "+" else parts)


def _shown(value: object) -> str:
    size: tuple[int, int] | None = getattr(value, "size", None)
    return str(value) if size is None else f"{size[0]}x{size[1]} pixels"


def describe(query: Query) -> str:
    """Return a query in one phrase, such as "a red bird", "image cat.jpg", or both with a plus."""
    fields = shown_fields(query)
    own = ("text", "terms")  # which say themselves what they are
    if instead := fields.pop("instead_of", None):
        fields["text"] = f"{fields.get('text', '')} instead of {instead}".lstrip()
    parts = [value if name in own else f"{name} {value}" for name, value in fields.items()]
    return " + ".join(parts) or "a vector"
