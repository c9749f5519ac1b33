"""The index: a gallery's embeddings, in a folder and in memory, that are searched and changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from zscr.artefact import read_manifest
from zscr.errors import InputError, MismatchError
from zscr.infer.index.calibration import Calibration, Unrelated
from zscr.infer.index.change import Change, Merged, check_vectors, merge, next_generation
from zscr.infer.index.choice import Choice, Search, start
from zscr.infer.index.current import (
    Current,
    commit,
    grow_hnsw,
    make_current,
    read_current,
    refuse_if_stale,
    tidy,
)
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.entry import Entry
from zscr.infer.index.exact import Rows, Vectors
from zscr.infer.index.expansion import Expansion
from zscr.infer.index.generation import KIND, FeatureRows, Generation
from zscr.infer.index.hnsw import Hnsw
from zscr.infer.index.report import ChangeReport, report_of
from zscr.infer.index.roots import Root, lies_in
from zscr.infer.index.search import search
from zscr.lock import writer_lock

if TYPE_CHECKING:
    from zscr.data.listing import Skipped

__all__ = ["Change", "ChangeReport", "Entry", "Index", "Match"]


@dataclass(frozen=True)
class Match:
    """An image that was found.

    `score` is its cosine similarity to the query, higher is better; of an expanded query the mean
    of that and of its feature's similarity to the top k's mean feature (see `Expansion.parts`).
    """

    entry: Entry
    score: float


class Index:
    """A gallery's embeddings on disk and in memory, bound to the space that they are in."""

    def __init__(self, current: Current) -> None:
        self._current = current

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        space: str,
        bundle_name: str,
        entries: Sequence[Entry],
        vectors: npt.ArrayLike,
        queries: npt.ArrayLike | None = None,
        errors: Sequence[Skipped] = (),
        search: Search | None = None,
        threads: int = 1,
        features: npt.ArrayLike | None = None,
        diffusion: Diffusion | None = None,
        roots: tuple[Root, ...] = (),
        linked: bool = False,
        unrelated: Unrelated | None = None,
    ) -> Index:
        """Make the index `folder`, which must not exist yet, of at least one image.

        Args:
            folder: the folder to make.
            space: the embedding space of the vectors, as the bundle that computed them names it.
            bundle_name: what that bundle is called in messages.
            entries: the images; these four are the fields of a `Change`.
            vectors: (N, D).
            queries: (Q, D).
            errors: the images that were skipped.
            search: pins `exact` or `hnsw`, now and after every change; None measures.
            threads: for building HNSW; with 1, the same vectors give the same bytes.
            features: (N, F) unit rows by which the images are compared with each other; stored in
                float16.
            diffusion: diffuses the vectors over the features' neighbours, now and after every
                change.
            roots: the folders that the images lie in.
            linked: whether a content has one entry, whatever the number of its places.
            unrelated: queries that it is calibrated by, now and after every change.

        Raises:
            InputError: nothing to index, an id twice, a vector that is not a unit vector, or
                diffusion without features.
            ArtefactError: `folder` exists already, or the disk is full.
        """
        if not entries:
            raise InputError(f"there is no image to index, {len(errors)} were skipped")
        nothing = np.empty((0, 0), np.float32)
        empty = Generation(0, space, bundle_name, (), nothing, start(search), diffusion=diffusion)
        first = Change(
            entries,
            vectors,
            queries,
            errors,
            features,
            roots=roots,
            linked=linked,
            unrelated=unrelated,
        )
        merged = merge(empty, first, threads=threads)
        build = partial(Hnsw.build, merged.vectors, threads=threads)
        return cls(make_current(folder, next_generation(empty, merged, build)))

    @classmethod
    def open(cls, folder: Path, space: str | None = None) -> Index:
        """Read the current generation, every file of it checked before it is parsed.

        Args:
            folder: of the index.
            space: of the bundle that is to be used with it; None takes any.

        Raises:
            ArtefactError: the folder is not an index, or a file is missing or damaged.
            MismatchError: its vectors are in another space than `space`.
        """
        index = cls(read_current(folder))
        if space not in (None, index.space):
            raise MismatchError(
                f"{folder} was made by the bundle {index.bundle_name} in the space {index.space}, "
                f"not in {space}; use a bundle of its space or index the images again"
            )
        return index

    def reread(self) -> None:
        """Go on with the generation that is current on the disk; after an error all is as before.

        Raises:
            ArtefactError: it is gone or damaged.
            MismatchError: it is of another space.
        """
        if read_manifest(self.folder, KIND).sha256 == self._current.manifest.sha256:
            return
        self._current = Index.open(self.folder, self.space)._current

    def apply(self, change: Change, *, threads: int = 1) -> ChangeReport:
        """Merge a change and commit the next generation: the one way in which an index changes.

        An entry that is there already and equal in all its fields keeps its vector. If nothing
        changes, nothing is written. After an error or a kill the old generation is still current.

        Args:
            change: what is to be added, replaced or removed.
            threads: for building or extending HNSW, and for diffusing.

        Raises:
            InputError: an id twice, a vector of another dim or not of norm 1, features where
                the index has none or none where it has, an unknown id to remove, or none left.
            ArtefactError: another writer is busy or has committed since this index was opened, the
                folder was damaged or the disk is full.
        """
        with writer_lock(self.folder):
            current = self._current  # read under the lock: another thread may have changed it
            refuse_if_stale(current)
            merged = merge(current.generation, change, threads=threads)
            if merged.differs(current.generation):
                self._current = commit(current, _grown(current, merged, threads))
            else:
                tidy(current)
            number = self.generation
        return report_of(merged.placed, number)

    def search(
        self,
        queries: npt.ArrayLike,
        k: int,
        *,
        ef: int | None = None,
        exact: bool = False,
        expansion: Expansion | None = None,
        within: Path | None = None,
    ) -> list[list[Match]]:
        """Return the min(k, count) most similar images of each query, best first.

        Args:
            queries: unit vectors (B, D).
            k: how many to find.
            ef: candidates that HNSW keeps, at least k; None takes the measured one.
            exact: search exactly even where there is HNSW.
            expansion: asks again with what is found.
            within: a folder, without links: only images in it are searched, all of them exactly.

        Raises:
            InputError: k or ef below 1, ef without HNSW, not (B, D) unit vectors, or an expansion
                where the index has no features or fewer images than its k, or of a folder's images.
        """
        now = self._current.generation
        if k < 1 or (ef is not None and ef < 1):
            raise InputError(f"k is {k} and ef is {ef}; both must be at least 1")
        if ef is not None and (exact or now.hnsw is None):
            raise InputError(f"ef {ef} means nothing to exact search; leave it out ({self.how})")
        asked = check_vectors(queries, self.dim)
        rows = None if within is None else rows_in(now, within)
        hits = search(now, asked, k, ef=ef, exact=exact, expansion=expansion, rows=rows)
        return [
            [Match(now.entries[row], score) for row, score in zip(rows, scores, strict=True)]
            for rows, scores in zip(hits.rows.tolist(), hits.scores.tolist(), strict=True)
        ]

    def embedded(self, ids: Sequence[str]) -> tuple[Vectors, Vectors | None]:
        """Return the model's embeddings (len(ids), D) of images, not diffused, and their features.

        Raises:
            InputError: an id that the index does not hold.
        """
        now = self._current.generation
        row_of = {entry.id: row for row, entry in enumerate(now.entries)}
        unknown = [name for name in ids if name not in row_of]
        if unknown:
            raise InputError(f"{len(unknown)} ids are not in {self.folder}, first {unknown[0]}")
        rows = [row_of[name] for name in ids]
        features = None if now.features is None else now.features[rows].astype(np.float32)
        return now.embeddings[rows], features

    @property
    def now(self) -> Generation:
        """What is searched: one state, for several searches that must agree with each other."""
        return self._current.generation

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._current.folder

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The images, in the order of their rows, which only a removal changes."""
        return self._current.generation.entries

    @property
    def vectors(self) -> Vectors:
        """The embeddings (count, dim); row i belongs to `entries[i]`."""
        return self._current.generation.vectors

    @property
    def features(self) -> FeatureRows | None:
        """The image features (count, F), if there are any; row i belongs to `entries[i]`."""
        return self._current.generation.features

    @property
    def diffusion(self) -> Diffusion | None:
        """How `vectors` are diffused, after every change; None if they are the model's own."""
        return self._current.generation.diffusion

    @property
    def errors(self) -> tuple[Skipped, ...]:
        """The images that were skipped and have not been indexed since, with the reasons."""
        return self._current.generation.errors

    @property
    def roots(self) -> tuple[Root, ...]:
        """The folders that the images lie in."""
        return self._current.generation.roots

    @property
    def linked(self) -> bool:
        """Whether a content has one entry, whatever the number of its places."""
        return self._current.generation.linked

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.entries)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._current.generation.dim

    @property
    def generation(self) -> int:
        """Number of the generation in memory."""
        return self._current.generation.number

    @property
    def choice(self) -> Choice:
        """How it is searched, with the figures that were measured."""
        return self._current.generation.choice

    @property
    def calibrations(self) -> tuple[Calibration, ...]:
        """What unrelated queries score, by the graph that embeds them, where any are known."""
        return self._current.generation.calibrations

    @property
    def unrelated(self) -> Unrelated | None:
        """The queries that it is calibrated by after every change, beside its own images."""
        return self._current.generation.unrelated

    @property
    def how(self) -> str:
        """One sentence: which search was chosen, and why."""
        return self.choice.how

    @property
    def space(self) -> str:
        """The embedding space that its vectors are in."""
        return self._current.generation.space

    @property
    def bundle_name(self) -> str:
        """What the bundle that made it is called in messages."""
        return self._current.generation.bundle_name


def rows_in(now: Generation, folder: Path) -> Rows:
    """Return the rows of the images that have a place in a folder."""
    entries = enumerate(now.entries)
    held = [row for row, entry in entries if any(lies_in(p, str(folder)) for p in entry.places)]
    return np.array(held, np.int64)


def _grown(current: Current, merged: Merged, threads: int) -> Generation:
    build = partial(grow_hnsw, current, merged.vectors, merged.changed, threads=threads)
    return next_generation(current.generation, merged, build)
