"""The index: a gallery's embeddings, in a folder and in memory, that are searched and changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy.typing as npt

from zscr.artefact import read_manifest
from zscr.errors import InputError, MismatchError
from zscr.infer.index.calibration import Calibration, Unrelated
from zscr.infer.index.change import Change
from zscr.infer.index.choice import Choice, Search
from zscr.infer.index.column import Column
from zscr.infer.index.current import Current, read_current, with_loaded_hnsw
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.entries import Entries
from zscr.infer.index.entry import Entry
from zscr.infer.index.exact import Vectors
from zscr.infer.index.expansion import Expansion
from zscr.infer.index.generation import Generation, Stored
from zscr.infer.index.manifest import KIND
from zscr.infer.index.only import ALL, Only
from zscr.infer.index.report import ChangeReport
from zscr.infer.index.roots import Root
from zscr.infer.index.search import search
from zscr.infer.index.unit_rows import check_vectors
from zscr.infer.precision import PLAIN

if TYPE_CHECKING:
    from zscr.data.listing import Skipped
    from zscr.infer.index.on_device.search import DeviceSearch

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
        stored: Stored = "float32",
        precision: str = PLAIN,
        more: bool = False,
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
            unrelated: queries that it is calibrated by, now and after changes.
            stored: what vectors are stored as, now and after every change; float16 takes half the
                space, and rounds scores by up to 5e-4.
            precision: of the graph that computed the vectors, now and after every change.
            more: whether changes follow that belong with it, the last of which measures.

        Raises:
            InputError: nothing to index, an id twice, a vector that is not a unit vector, or
                diffusion without features.
            ArtefactError: `folder` exists already, or the disk is full.
        """
        from zscr.infer.index import writing  # which searches need not know

        if not entries:
            raise InputError(f"there is no image to index, {len(errors)} were skipped")
        first = Change(
            entries,
            vectors,
            queries,
            errors,
            features,
            roots=roots,
            linked=linked,
            unrelated=unrelated,
            more=more,
        )
        empty = writing.empty(
            space,
            bundle_name,
            search=search,
            diffusion=diffusion,
            stored=stored,
            precision=precision,
        )
        return cls(writing.make(folder, empty, first, threads=threads))

    @classmethod
    def open(cls, folder: Path, space: str | None = None) -> Index:
        """Open the current generation.

        No byte is parsed before its hash was compared, and what is not used is not read: rows are
        proved in blocks of 4 MiB when a search first looks at them.

        Args:
            folder: of the index.
            space: of the bundle that is to be used with it; None takes any.

        Raises:
            ArtefactError: the folder is not an index, or a file is missing, or damaged where it
                was read; a search raises it where it finds out.
            MismatchError: its vectors are in another space than `space`.
        """
        return cls(_of_space(read_current(folder), space))

    def reread(self) -> None:
        """Go on with the generation that is current on the disk; after an error all is as before.

        Raises:
            ArtefactError: it is gone or damaged.
            MismatchError: it is of another space.
        """
        if read_manifest(self.folder, KIND).sha256 == self._current.manifest.sha256:
            return
        found = _of_space(read_current(self.folder, self._current), self.space)
        found = with_loaded_hnsw(found, self._current)
        found.generation.prove()
        found.generation.hide_gone()
        self._current = found

    def prove(self) -> None:
        """Hash all that no search has looked at yet.

        Raises:
            ArtefactError: a file is damaged.
        """
        self._current.generation.prove()

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
        from zscr.infer.index import writing

        with self._writing() as current:
            self._current, report = writing.apply(current, change, threads=threads)
        return report

    def compact(self) -> bool:
        """Write all rows as one segment, and without those that have ended; say if that was needed.

        Raises:
            ArtefactError: as `apply`.
        """
        from zscr.infer.index.rewriting import compact

        return self._rewrite(compact)

    def rebuild(
        self, *, stored: Stored | None = None, recall: float | None = None, threads: int = 1
    ) -> None:
        """Write all rows as one segment, build HNSW anew, measure and calibrate.

        Args:
            stored: what vectors are to be stored as; None leaves it.
            recall: what HNSW must find of the first 10 to be chosen; None leaves it.
            threads: for building HNSW.

        Raises:
            ArtefactError: as `apply`.
            InputError: the recall cannot be.
        """
        from zscr.infer.index.hnsw_of import build_hnsw
        from zscr.infer.index.rewriting import rebuild

        build = partial(build_hnsw, threads=threads)
        self._rewrite(lambda now: rebuild(now, build, stored=stored, recall=recall))

    @contextmanager
    def _writing(self) -> Iterator[Current]:
        """Hold the writer's lock; yield what is current, of which nobody has made another state."""
        from zscr.infer.index.committing import refuse_if_stale
        from zscr.lock import writer_lock

        with writer_lock(self.folder):
            current = self._current  # read under the lock: another thread may have changed it
            refuse_if_stale(current)
            yield current

    def _rewrite(self, written: Callable[[Generation], Generation]) -> bool:
        """Commit what is written of the current generation; say whether it is another."""
        from zscr.infer.index import writing

        with self._writing() as current:
            self._current = writing.rewrite(current, written)
            return self._current is not current

    def search(
        self,
        queries: npt.ArrayLike,
        k: int,
        *,
        ef: int | None = None,
        exact: bool = False,
        expansion: Expansion | None = None,
        only: Only = ALL,
        device: DeviceSearch | None = None,
    ) -> list[list[Match]]:
        """Return the min(k, count) most similar images of each query, best first.

        Args:
            queries: unit vectors (B, D).
            k: how many to find.
            ef: candidates that HNSW keeps, at least k; None takes the measured one.
            exact: search exactly even where there is HNSW.
            expansion: asks again with what is found.
            only: which images are searched.
            device: searches all images exactly, once, in place of the processor.

        Raises:
            InputError: k or ef below 1, ef without HNSW, not (B, D) unit vectors, an expansion
                where the index has no features or fewer images than its k, or of a part of it, or
                no image has the attributes that are asked for.
        """
        now = self._current.generation
        if k < 1 or (ef is not None and ef < 1):
            raise InputError(f"k is {k} and ef is {ef}; both must be at least 1")
        if ef is not None and (exact or now.hnsw is None):
            raise InputError(f"ef {ef} means nothing to exact search; leave it out ({self.how})")
        asked = check_vectors(queries, now.dim)
        if device is not None:
            plain = not (ef or expansion or only)
            assert plain, "the CPU alone searches so"
            hits = device.search(now.vectors, asked, k)
        else:
            rows = only.rows(now)
            hits = search(now, asked, k, ef=ef, exact=exact, expansion=expansion, rows=rows)
        return [
            [*map(Match, now.entries.of(rows), scores)]
            for rows, scores in zip(hits.rows.tolist(), hits.scores.tolist(), strict=True)
        ]

    def embedded(self, ids: Sequence[str]) -> tuple[Vectors, Vectors | None]:
        """Return the model's embeddings (len(ids), D) of images, not diffused, and their features.

        Raises:
            InputError: an id that the index does not hold.
        """
        return self._current.generation.embedded(ids)

    @property
    def now(self) -> Generation:
        """What is searched: one state, for several searches that must agree with each other."""
        return self._current.generation

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._current.folder

    @property
    def entries(self) -> Entries:
        """The images, in the order of their rows: that in which they came, or came anew."""
        return self._current.generation.entries

    @property
    def vectors(self) -> Column:
        """The embeddings (count, dim); row i belongs to `entries[i]`."""
        return self._current.generation.vectors

    @property
    def features(self) -> Column | None:
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
        return self._current.generation.count

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
    def precision(self) -> str:
        """The precision of the graph that computed its vectors."""
        return self._current.generation.precision

    @property
    def bundle_name(self) -> str:
        """What the bundle that made it is called in messages."""
        return self._current.generation.bundle_name


def _of_space(current: Current, space: str | None) -> Current:
    now = current.generation
    if space not in (None, now.space):
        raise MismatchError(
            f"{current.folder} was made by the bundle {now.bundle_name} in the space {now.space}, "
            f"not in {space}; use a bundle of its space or index the images again"
        )
    return current
