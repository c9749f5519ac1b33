"""Features of two domains, sketches and photos, brought together before a control is fitted.

A frozen encoder puts sketches and photos of one class far apart, mostly by one shift; each domain
is centred with a mean of its own. What is fitted sees other views of the same images, too, such as
flipped ones: a control gets what the model beside it was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.infer.evaluation.controls.control import Control, Features, unit
from zscr.infer.evaluation.controls.preprocessing import Map, Matrix, rooted_scaling
from zscr.infer.evaluation.embedded import Vectors
from zscr.infer.features.listing import VIEW, base_of
from zscr.infer.features.table import group_sums, owners

SKETCH, IMAGE = "sketch", "image"
EDGES = f"{IMAGE}{VIEW}edges"  # drawings that are made of photos
SECOND = "second"  # the first view of all tables of a second encoder: `sketch/second/flipped`
Scale = Callable[[npt.NDArray[np.floating]], Map]  # fits the scaling of a domain's rows (N, D)


def domain_of(table: str) -> str:
    """Return the domain that a table's images are of; edges of photos are drawings."""
    return SKETCH if table == EDGES else base_of(table)


@dataclass(frozen=True)
class Domains:
    """How the rows of each domain are scaled, fitted to those of its images as they are."""

    scales: Mapping[str, Map]

    @classmethod
    def of(cls, features: Features, scale: Scale = rooted_scaling) -> Domains:
        """Fit the scaling; by default of signed square roots of length 1, less their mean."""
        return cls({name: scale(features[name].rows) for name in (SKETCH, IMAGE)})

    def __call__(self, features: Features, table: str) -> Matrix:
        """Return a table's scaled rows (N, D)."""
        return self.scales[domain_of(table)](features[table].rows)

    def sums(self, features: Features) -> Iterator[tuple[Matrix, Matrix]]:
        """Yield of each table its scaled rows (N, D) and their sums a class (C, D)."""
        for name, table in features.tables.items():
            rows = self(features, name)
            yield rows, group_sums(rows, table.starts)

    def stacked(self, features: Features) -> tuple[Matrix, npt.NDArray[np.int64]]:
        """Return all tables' scaled rows (N, D), and the number of the class of each (N,)."""
        names = features.tables
        rows = np.concatenate([self(features, name) for name in names])
        return rows, np.concatenate([owners(features[name]) for name in names])


@dataclass(frozen=True)
class Asked:
    """The tables that make queries and gallery: several views' unit embeddings are averaged."""

    queries: tuple[str, ...] = (SKETCH,)
    gallery: tuple[str, ...] = (IMAGE,)

    def embed(self, one: Callable[[str], npt.NDArray[np.floating]]) -> tuple[Vectors, Vectors]:
        """Embed both sides by what embeds a table's rows -> (Q, E) and (G, E) unit rows."""
        return _mean(map(one, self.queries)), _mean(map(one, self.gallery))


def _mean(views: Iterable[npt.NDArray[np.floating[Any]]]) -> Vectors:
    return unit(np.mean([unit(rows) for rows in views], axis=0))


def of_encoder(features: Features, *, second: bool) -> Features:
    """Return the tables of the first encoder, or those of the second by the first one's names."""
    tables = {}
    for name, table in features.tables.items():
        base, *views = name.split(VIEW)
        is_second = views[:1] == [SECOND]
        if is_second == second:
            tables[VIEW.join([base, *views[is_second:]])] = table
    return replace(features, tables=tables)


def only_tables(features: Features, names: Iterable[str]) -> Features:
    """Return some of the tables."""
    return replace(features, tables={name: features[name] for name in names})


def cosine_controls(seen: Features, asked: Asked) -> Iterator[Control]:
    """Yield the cosine of features as they are, centred by domain, and of their square roots."""
    for name, scale in (
        ("raw cosine", _as_they_are),
        ("domain-centred cosine", _centred),
        ("domain-centred cosine of square roots", rooted_scaling),
    ):
        yield Control(name, _cosine(Domains.of(seen, scale), asked), asks=SKETCH)


def _cosine(domains: Domains, asked: Asked) -> Callable[[Features], tuple[Vectors, Vectors]]:
    return lambda split: asked.embed(lambda table: domains(split, table))


def _as_they_are(_: npt.NDArray[np.floating]) -> Map:
    return lambda rows: np.asarray(rows, np.float64)


def _centred(rows: npt.NDArray[np.floating]) -> Map:
    mean = rows.mean(0, dtype=np.float64)
    return lambda others: others - mean
