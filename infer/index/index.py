"""The index: a folder of gallery embeddings that is searched, extended and never half written.

One generation of immutable files is current: the one that `manifest.json` names. A writer puts the
next one beside it, replaces the manifest, which is the commit, and only then deletes the old files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from zscr.artefact import (
    Manifest,
    file_entry,
    no_space_as_error,
    read_manifest,
    staged,
    verify,
    write_manifest,
)
from zscr.errors import ArtefactError, InputError, MismatchError
from zscr.infer.index.change import Upsert, check_entries, check_vectors, upsert
from zscr.infer.index.choice import Choice, Search, sample, start
from zscr.infer.index.exact import Vectors, search_exact
from zscr.infer.index.generation import (
    KIND,
    Entry,
    Generation,
    Skipped,
    body,
    file_name,
    read_generation,
    remove_leftovers,
    write_files,
)
from zscr.infer.index.growth import known_errors, next_generation
from zscr.infer.index.hnsw import Graph
from zscr.lock import writer_lock

__all__ = ["AddReport", "Entry", "Index", "Match"]


@dataclass(frozen=True)
class Match:
    """An image that was found; `score` is its cosine similarity to the query, higher is better."""

    entry: Entry
    score: float


@dataclass(frozen=True)
class AddReport:
    """What `add` did, and the generation that is current now."""

    added: int
    replaced: int
    unchanged: int
    generation: int


class Index:
    """A gallery's embeddings on disk and in memory, bound to the bundle that computed them."""

    def __init__(self, folder: Path, manifest: Manifest, generation: Generation) -> None:
        self.folder = folder
        self._manifest = manifest
        self._now = generation

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        bundle_sha256: str,
        bundle_name: str,
        entries: Sequence[Entry],
        vectors: npt.ArrayLike,
        queries: npt.ArrayLike | None = None,
        errors: Sequence[Skipped] = (),
        search: Search | None = None,
        threads: int = 1,
    ) -> Index:
        """Make the index `folder`, which must not exist yet, of at least one image.

        Args:
            folder: the folder to make.
            bundle_sha256: hash of the manifest of the bundle that computed the vectors.
            bundle_name: what that bundle is called in messages.
            entries: the images, each id once.
            vectors: their unit embeddings (N, D), in the order of `entries`.
            queries: unit embeddings (Q, D) of the query modality, to measure on; a sample is kept.
            errors: a row per skipped image, such as `{"image": path, "reason": why}`.
            search: pins `exact` or `hnsw`, now and after every `add`; None measures.
            threads: for building a graph; with 1, the same vectors give the same graph.

        Raises:
            InputError: nothing to index, an id twice, or a vector that is not a unit vector.
            ArtefactError: `folder` exists already, or the disk is full.
        """
        if not entries:
            raise InputError(f"there is no image to index, {len(errors)} were skipped")
        check_entries(entries)
        arrived = check_vectors(vectors, None, [entry.id for entry in entries])
        nothing = np.empty((0, arrived.shape[1]), np.float32)
        empty = Generation(0, bundle_sha256, bundle_name, (), nothing, start(search))
        change = upsert(empty.entries, empty.vectors, entries, arrived)
        build = partial(Graph.build, change.vectors, threads=threads)
        first = next_generation(empty, change, build, _sample(queries, empty), tuple(errors))
        with staged(folder, KIND) as stage:
            write_files(stage.folder, first)
            stage.body |= body(first)
        return cls(folder, read_manifest(folder, KIND), first)

    @classmethod
    def open(cls, folder: Path, *, bundle_sha256: str | None = None) -> Index:
        """Read the current generation, every file of it checked before it is parsed.

        Raises:
            ArtefactError: the folder is not an index, or a file is missing or damaged.
            MismatchError: it was made with another bundle than the one of `bundle_sha256`.
        """
        manifest = read_manifest(folder, KIND)
        while True:
            try:
                generation = read_generation(folder, manifest)
                break
            except (ArtefactError, FileNotFoundError):
                # A writer may have committed and deleted these files while they were being read.
                newer = read_manifest(folder, KIND)
                if newer.sha256 == manifest.sha256:
                    raise
                manifest = newer
        if bundle_sha256 not in (None, generation.bundle_sha256):
            raise MismatchError(
                f"{folder} was made with the bundle {generation.bundle_name} "
                f"({generation.bundle_sha256}), not with {bundle_sha256}; index the images again"
            )
        return cls(folder, manifest, generation)

    def add(
        self,
        entries: Sequence[Entry],
        vectors: npt.ArrayLike,
        *,
        queries: npt.ArrayLike | None = None,
        errors: Sequence[Skipped] = (),
        threads: int = 1,
    ) -> AddReport:
        """Add or replace images by id and commit the next generation; arguments as for `create`.

        An entry that is there already and equal in all its fields keeps its vector. If nothing
        changes, nothing is written. After an error or a kill the old generation is still current.

        Raises:
            InputError: an id twice, or a vector of another dim or not of norm 1.
            ArtefactError: another writer is busy or has committed since this index was opened, the
                folder was damaged or the disk is full.
        """
        check_entries(entries)
        arrived = check_vectors(vectors, self.dim, [entry.id for entry in entries])
        now, asked = self._now, _sample(queries, self._now)
        known = known_errors(now.errors, entries, errors)
        with writer_lock(self.folder):
            self._refuse_if_stale()
            change = upsert(now.entries, now.vectors, entries, arrived)
            if change.changed.size or asked is not None or known != now.errors:
                extend = partial(self._extended_graph, change, threads)
                self._commit(next_generation(now, change, extend, asked, known))
        return AddReport(change.added, change.replaced, change.unchanged, self._now.number)

    def _refuse_if_stale(self) -> None:
        on_disk = read_manifest(self.folder, KIND)
        if on_disk.sha256 != self._manifest.sha256:
            raise ArtefactError(
                f"{self.folder} is at generation {on_disk.body.get('generation')} by another "
                f"writer, this one read generation {self.generation}; open it again and add again"
            )

    def _extended_graph(self, change: Upsert, threads: int) -> Graph:
        """Return the graph on disk with the changed rows in it; the one in memory keeps serving."""
        if self._now.graph is None:
            return Graph.build(change.vectors, threads=threads)
        name = file_name("graph", self.generation)
        verify(self.folder, self._manifest, [name])
        room = len(change.entries) - self.count
        graph = Graph.load(self.folder / name, self.dim, self.count, room=room)
        graph.update(change.vectors, change.changed, threads=threads)
        return graph

    def _commit(self, generation: Generation) -> None:
        """Write the files, replace the manifest, delete what the manifest does not name."""
        with no_space_as_error(self.folder):
            try:
                remove_leftovers(self.folder, self._manifest)
                names = write_files(self.folder, generation)
                files = {name: file_entry(self.folder / name) for name in names}
                self._refuse_if_stale()
                write_manifest(self.folder, KIND, files, body(generation))
            finally:  # the manifest on the disk says which generation lives, whatever has happened
                manifest = read_manifest(self.folder, KIND)
                remove_leftovers(self.folder, manifest)
        self._manifest, self._now = manifest, generation

    def search(
        self, queries: npt.ArrayLike, k: int, *, ef: int | None = None, exact: bool = False
    ) -> list[list[Match]]:
        """Return the min(k, count) most similar images of each query, best first.

        Args:
            queries: unit vectors (B, D).
            k: how many to find.
            ef: candidates that the graph keeps, at least k; None takes the measured one.
            exact: search exactly even where there is a graph.

        Raises:
            InputError: k or ef below 1, ef without a graph, or not (B, D) unit vectors.
        """
        now = self._now
        if k < 1 or (ef is not None and ef < 1):
            raise InputError(f"k is {k} and ef is {ef}; both must be at least 1")
        if ef is not None and (exact or now.graph is None):
            raise InputError(f"ef {ef} means nothing to exact search; leave it out ({self.how})")
        asked = check_vectors(queries, self.dim)
        if exact or now.graph is None:
            hits = search_exact(now.vectors, asked, k)
        else:
            hits = now.graph.search(now.vectors, asked, k, ef or now.choice.ef or k)
        return [
            [Match(now.entries[row], score) for row, score in zip(rows, scores, strict=True)]
            for rows, scores in zip(hits.rows.tolist(), hits.scores.tolist(), strict=True)
        ]

    def vectors_of(self, ids: Sequence[str]) -> Vectors:
        """Return the vectors (len(ids), D) of images.

        Raises:
            InputError: an id that the index does not hold.
        """
        row_of = {entry.id: row for row, entry in enumerate(self.entries)}
        unknown = [name for name in ids if name not in row_of]
        if unknown:
            raise InputError(f"{len(unknown)} ids are not in {self.folder}, first {unknown[0]}")
        return self._now.vectors[[row_of[name] for name in ids]]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The images, in the order of their rows, which never changes."""
        return self._now.entries

    @property
    def vectors(self) -> Vectors:
        """The embeddings (count, dim); row i belongs to `entries[i]`."""
        return self._now.vectors

    @property
    def errors(self) -> tuple[Skipped, ...]:
        """The images that were skipped and have not been added since, with the reasons."""
        return self._now.errors

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self._now.entries)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._now.vectors.shape[1])

    @property
    def generation(self) -> int:
        """Number of the generation in memory."""
        return self._now.number

    @property
    def choice(self) -> Choice:
        """How it is searched, with the figures that were measured."""
        return self._now.choice

    @property
    def how(self) -> str:
        """One sentence: which search was chosen, and why."""
        return self._now.choice.how

    @property
    def bundle_sha256(self) -> str:
        """Hash of the manifest of the bundle that computed the vectors."""
        return self._now.bundle_sha256


def _sample(queries: npt.ArrayLike | None, generation: Generation) -> Vectors | None:
    if queries is None:
        return None
    asked = check_vectors(queries, generation.vectors.shape[1])
    return sample(asked) if len(asked) else None
