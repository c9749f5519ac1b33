"""What one generation of an index holds: its rows, and what is known of all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from zscr.errors import InputError
from zscr.infer.index.calibration import Calibration, Unrelated
from zscr.infer.index.choice import Choice
from zscr.infer.index.column import Column
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.entries import Entries
from zscr.infer.index.exact import Vectors
from zscr.infer.index.roots import Root
from zscr.infer.index.stack import Stack
from zscr.infer.precision import PLAIN

if TYPE_CHECKING:
    from zscr.data.listing import Skipped
    from zscr.infer.index.hnsw import Hnsw

Stored = Literal["float32", "float16"]


@dataclass(frozen=True, eq=False)
class Generation:
    """One state of an index. Row i of `vectors` (N, D), unit rows, belongs to `entries[i]`.

    Attributes:
        number: of the commit that made it.
        space: the embedding space that the vectors are in, as a bundle names it.
        bundle_name: what the bundle that computed them is called in messages.
        stack: the rows.
        choice: how it is searched.
        hnsw: over the rows of the segments that say so, if it was chosen.
        queries: (Q, D) the sample that the choice was measured on.
        errors: the images that were skipped and have not been indexed since.
        diffusion: how the vectors were diffused, and will be after every change.
        roots: the folders that the images lie in.
        linked: whether a content has one entry, whatever the number of its places.
        unrelated: queries that it is calibrated by; calibrations: by these and by its own images,
            as far as it is known what is unrelated.
        stored: what vectors are stored as.
        precision: of the graph that computed them.
        next_label: the label of the next vector; next_segment: the number of the next segment.
        unmeasured: rows that have come or gone since the choice and the calibrations were made.
    """

    number: int
    space: str
    bundle_name: str
    stack: Stack
    choice: Choice
    hnsw: Hnsw | None = None
    queries: Vectors | None = None
    errors: tuple[Skipped, ...] = ()
    diffusion: Diffusion | None = None
    roots: tuple[Root, ...] = ()
    linked: bool = False
    unrelated: Unrelated | None = None
    calibrations: tuple[Calibration, ...] = ()
    stored: Stored = "float32"
    precision: str = PLAIN
    next_label: int = 0
    next_segment: int = 1
    unmeasured: int = 0

    @cached_property
    def entries(self) -> Entries:
        """The images, a row each."""
        return Entries(self.stack, self.roots)

    @property
    def count(self) -> int:
        """N, the number of images."""
        return self.stack.count

    @cached_property
    def vectors(self) -> Column:
        """What is searched (N, D)."""
        return Column(self.stack, "vectors")

    @property
    def dim(self) -> int:
        """D, the length of a vector."""
        return int(self.vectors.shape[1]) if self.stack.segments else 0

    @property
    def raw(self) -> Column | None:
        """The model's own embeddings (N, D), where `vectors` are diffused."""
        return Column(self.stack, "raw") if "raw" in self.stack.names else None

    @property
    def embeddings(self) -> Column:
        """The model's own embeddings (N, D), before any diffusion."""
        return self.raw or self.vectors

    def embedded(self, ids: Sequence[str]) -> tuple[Vectors, Vectors | None]:
        """Return the model's embeddings (len(ids), D) of images, and their features.

        Raises:
            InputError: an id that it does not hold.
        """
        row_of = self.entries.find(ids)
        unknown = [name for name in ids if name not in row_of]
        if unknown:
            raise InputError(f"{len(unknown)} ids are not in the index, first {unknown[0]}")
        rows = np.array([row_of[name] for name in ids], np.int64)
        features = None if self.features is None else self.features[rows].astype(np.float32)
        return self.embeddings[rows].astype(np.float32, copy=False), features

    @cached_property
    def features(self) -> Column | None:
        """Unit rows (N, F) by which images are compared, if the bundle's gallery gives any."""
        return Column(self.stack, "features") if "features" in self.stack.names else None

    @cached_property
    def exact_features(self) -> Vectors | None:
        """The features as float32, made when all of them are first multiplied."""
        return None if self.features is None else np.asarray(self.features, np.float32)

    def hide_gone(self) -> None:
        """Let HNSW find no row that is not there, if it is loaded: else it does so when it is."""
        if self.hnsw is not None and self.hnsw.is_loaded:
            labels = self.hnsw.labels
            self.hnsw.hide(labels[self.stack.rows_of_labels(labels) < 0])

    def prove(self) -> None:
        """Hash all that is not proved yet, and look into it.

        Raises:
            ArtefactError: something is damaged.
        """
        for segment in self.stack.segments:
            segment.prove()
        if self.hnsw is not None:
            _ = self.hnsw.labels
