"""Features of two domains, sketches and photos, brought together before a control is fitted.

A frozen encoder puts sketches and photos of one class far apart, mostly by one shift; so each
domain is centred with a mean of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.infer.evaluation.controls.control import Control, Features, unit
from zscr.infer.evaluation.controls.preprocessing import Map, Matrix, rooted_scaling
from zscr.infer.evaluation.embedded import Vectors
from zscr.infer.features.table_names import SECOND, VIEW, base_of
from zscr.infer.inputs.views import EDGES

SKETCH, IMAGE = DOMAINS = ("sketch", "image")

Scaled = Callable[[Features, str], Matrix]  # scales a table's rows (N, D), by its name
Scale = Callable[[Features], Scaled]  # fits that to the classes that a control is fitted on


def domain_of(table: str) -> str:
    """Return the domain that a table's images are of: photos made drawings are sketches."""
    return SKETCH if table.split(VIEW)[-1] == EDGES else base_of(table)


def by_domain(fit: Callable[[npt.NDArray[np.floating]], Map] = rooted_scaling) -> Scale:
    """Return what fits a map of rows to each domain, to its images as they are, not their views.

    By default it takes signed square roots of length 1, less their mean.
    """

    def scale(features: Features) -> Scaled:
        maps = {name: fit(features[name].rows) for name in DOMAINS}
        return lambda split, table: maps[domain_of(table)](split[table].rows)

    return scale


@dataclass(frozen=True)
class Asked:
    """The tables that make queries and gallery: embeddings of several views are averaged."""

    queries: tuple[str, ...] = (SKETCH,)
    gallery: tuple[str, ...] = (IMAGE,)

    def embed(self, one: Callable[[str], npt.NDArray[np.floating]]) -> tuple[Vectors, Vectors]:
        """Embed both sides by what embeds a table's rows -> (Q, E) and (G, E) unit rows."""
        return _mean(map(one, self.queries)), _mean(map(one, self.gallery))


STOCK = Asked()  # images as they are


def _mean(views: Iterable[npt.NDArray[np.floating[Any]]]) -> Vectors:
    return unit(np.mean([unit(rows) for rows in views], axis=0))


def drawn_tables(features: Features, *, second: bool = False) -> list[str]:
    """Return the names of the tables of images, by the first encoder or the second."""
    names = (name for name in features.tables if base_of(name) in DOMAINS)
    return [name for name in names if (name.split(VIEW)[1:2] == [SECOND]) == second]


def of_second(features: Features) -> Features:
    """Return the second encoder's tables under the names of the first one's."""
    tables = {
        name.replace(f"{VIEW}{SECOND}", "", 1): features[name]
        for name in drawn_tables(features, second=True)
    }
    return replace(features, tables=tables)


def by_both(scale: Scale) -> Scale:
    """Return the scaling of both encoders' rows, (N, D) and (N, D'), side by side."""

    def both(features: Features) -> Scaled:
        first, second = scale(features), scale(of_second(features))

        def scaled(split: Features, table: str) -> Matrix:
            return np.hstack([first(split, table), second(of_second(split), table)])

        return scaled

    return both


def cosine_controls(fitted: Features, asked: Asked) -> Iterator[Control]:
    """Yield the cosine of features as they are, centred by domain, and of their square roots.

    Args:
        fitted: the classes whose means centre; asked: which tables are compared.
    """
    for name, fit in (
        ("raw cosine", _as_they_are),
        ("domain-centred cosine", _centred),
        ("domain-centred cosine of square roots", rooted_scaling),
    ):
        yield Control(name, _cosine(by_domain(fit)(fitted), asked), asks=SKETCH)


def _cosine(scaled: Scaled, asked: Asked) -> Callable[[Features], tuple[Vectors, Vectors]]:
    return lambda split: asked.embed(lambda table: scaled(split, table))


def _as_they_are(_: npt.NDArray[np.floating]) -> Map:
    return lambda rows: np.asarray(rows, np.float64)


def _centred(rows: npt.NDArray[np.floating]) -> Map:
    mean = rows.mean(0, dtype=np.float64)
    return lambda others: others - mean
