"""What a call asks for: columns of texts, images and sketches as queries, and what is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AnySet
from dataclasses import dataclass
from typing import Any

from zscr.data.records import FIELDS, Query
from zscr.errors import InputError
from zscr.infer.index.expansion import Expansion
from zscr.infer.index.only import ALL, Only
from zscr.infer.reading import TEXTS, fits

_OPTIONAL = ("instead_of", "compose")  # what a row may leave out where others have it


@dataclass(frozen=True)
class Wanted:
    """How many images are wanted of a query, and which.

    Attributes:
        k: how many, at most.
        expand: ask again with the mean image feature of so many of the best images.
        min_score: leave out images that score less.
        only: which images of the index are looked at.
        exclude_self: leave out the files that the query is made of, wherever they lie.
        rerank: re-rank so many of the best images, 0 for none; None leaves it to the bundle.

    Raises:
        InputError: one of them is no such number.
    """

    k: int = 10
    expand: int | None = None
    min_score: float | None = None
    only: Only = ALL
    exclude_self: bool = False
    rerank: int | None = None

    def __post_init__(self) -> None:
        if not (_is_whole(self.k) and self.k >= 1):
            raise InputError(f"k is {self.k!r}; give a whole number of at least 1")
        if not (self.expand is None or _is_whole(self.expand)):
            raise InputError(f"expand is {self.expand!r}; give a whole number of at least 1")
        if not (self.rerank is None or (_is_whole(self.rerank) and self.rerank >= 0)):
            raise InputError(f"rerank is {self.rerank!r}; give a whole number, 0 for none")
        if self.expand is not None and self.rerank:
            raise InputError("a query is either expanded or re-ranked; leave out expand or rerank")
        _ = self.expansion  # which refuses numbers below 1
        if self.min_score is not None and not _is_number(self.min_score):
            raise InputError(f"min_score is {self.min_score!r}; give a number, such as 0.5")

    @property
    def expansion(self) -> Expansion | None:
        """How queries are expanded, if they are."""
        return None if self.expand is None else Expansion(self.expand)


def make_queries(columns: Mapping[str, Any], compose: Any = None) -> list[Query]:
    """Make a query of each row of columns that are equally long.

    Args:
        columns: field, or `instead_of` -> its values: a list, an array, or a single one, which is a
            list of one; None leaves the field out. What a text replaces may be None in a row.
        compose: the composition that answers them, or one a query.

    Raises:
        InputError: nothing is given, not as many of each, or a value is none of its field.
    """
    given = {name: _listed(name, column) for name, column in columns.items() if column is not None}
    if not given.keys() & {*FIELDS}:
        raise InputError("nothing is asked for; give texts, images or sketches")
    if compose is not None:
        single = isinstance(compose, str)  # which is for all
        names = [compose] * len(next(iter(given.values()))) if single else compose
        given["compose"] = _listed("compose", names)
    lengths = {name: len(column) for name, column in given.items()}
    if len(set(lengths.values())) > 1:
        counted = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise InputError(f"a query needs one of each, but there are {counted}; give as many of all")
    rows = enumerate(zip(*given.values(), strict=True), 1)
    return [Query(str(number), **dict(zip(given, row, strict=True))) for number, row in rows]


def _listed(name: str, column: Any) -> list[Any]:
    """Return a column as a list of values of its field."""
    if hasattr(column, "tolist"):  # of numpy, pandas or torch
        column = column.tolist()
    if isinstance(column, bytes | Mapping | AnySet):
        raise InputError(f"{name}: {type(column).__name__} is no list of {name}s; give a list")
    single = fits(name, column) or not isinstance(column, Iterable)
    values = [column] if single else list(column)
    for number, value in enumerate(values, 1):
        if value is None and name in _OPTIONAL:
            continue
        if not fits(name, value):
            kinds = "a string" if name in TEXTS else "a path or an open image of Pillow"
            raise InputError(f"{name} {number} is {_shown(value)}; give {kinds}")
        if name in TEXTS and not value.strip():
            raise InputError(f"query {number} has an empty {name}; give it words or leave it out")
    return values


def _shown(value: object) -> str:
    plain = value is None or isinstance(value, int | float | bytes)
    return repr(value)[:40] if plain else f"a {type(value).__name__}"


def _is_whole(value: object) -> bool:
    return not isinstance(value, bool) and hasattr(value, "__index__")


def _is_number(value: object) -> bool:
    if isinstance(value, bool | str | bytes):
        return False
    try:
        return float(value) == float(value)  # type: ignore[arg-type]  # NaN compares with nothing
    except (TypeError, ValueError, OverflowError):
        return False
