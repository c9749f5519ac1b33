"""What is to be changed in an index, and the generation that the index becomes by it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.index.calibration import Unrelated, calibrate
from zscr.infer.index.choice import choose, sample
from zscr.infer.index.entry import Entry, check_entries, rebased
from zscr.infer.index.exact import Rows, Vectors
from zscr.infer.index.generation import FeatureRows, Generation
from zscr.infer.index.hnsw import Hnsw
from zscr.infer.index.placement import Placement, place
from zscr.infer.index.roots import Root

if TYPE_CHECKING:
    from zscr.data.listing import Skipped

Array = npt.NDArray[Any]

_NORM_TOLERANCE = 1e-3  # what an fp16 or int8 graph may be off by


@dataclass(frozen=True, eq=False)
class Change:
    """Images to add, to replace or to remove by id, and what was learnt while they were embedded.

    Attributes:
        upserts: the images, each id once.
        vectors: their unit embeddings (U, D), in the order of `upserts`; None if there are none.
        features: their unit image features (U, F), where the index has such.
        queries: unit embeddings (Q, D) of the query modality, of which a sample is kept to measure
            the search on; None leaves the sample that there is.
        errors: a row per skipped image, such as `{"image": path, "reason": why}`.
        removals: ids that are to go. An image that arrives with the content of one of them takes
            its row: it has moved.
        mended: the `image` of skipped ones that are no longer to be listed.
        roots: the folders that images lie in, from now on; None leaves those that there are.
        linked: whether a content has one entry, from now on; None leaves it as it is.
        unrelated: queries to calibrate by; None leaves those that there are.
    """

    upserts: Sequence[Entry] = ()
    vectors: npt.ArrayLike | None = None
    queries: npt.ArrayLike | None = None
    errors: Sequence[Skipped] = ()
    features: npt.ArrayLike | None = None
    removals: Sequence[str] = ()
    mended: Collection[str] = ()
    roots: tuple[Root, ...] | None = None
    linked: bool | None = None
    unrelated: Unrelated | None = None


@dataclass(frozen=True, eq=False)
class Merged:
    """A gallery with a change in it. `changed` are the rows of `vectors` (N, D) that are other.

    `vectors` are what is searched, and `raw` what they were diffused from, if they are diffused.
    """

    placed: Placement
    vectors: Vectors
    raw: Vectors | None
    features: FeatureRows | None
    changed: Rows
    queries: Vectors | None
    errors: tuple[Skipped, ...]
    roots: tuple[Root, ...]
    linked: bool
    unrelated: Unrelated | None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The images, a row each."""
        return self.placed.entries

    def differs(self, before: Generation) -> bool:
        """Say whether there is anything to commit after the generation that it came from."""
        learnt = self.queries is not before.queries or self.errors != before.errors
        learnt |= self.unrelated is not before.unrelated
        about = (self.roots, self.linked) != (before.roots, before.linked)
        return learnt or about or self.entries != before.entries


def merge(before: Generation, change: Change, *, threads: int = 1) -> Merged:
    """Check a change and merge it into a generation, in memory.

    A known id keeps its row: it is unchanged if all of its entry is equal, else replaced. New ids
    are appended in the order in which they arrive, and rows behind one that is removed move up.
    Where the generation is diffused, any change of a content diffuses all embeddings anew.

    Args:
        before: what is changed; change: what is to become of it.
        threads: for the neighbours that embeddings are diffused over.

    Raises:
        InputError: an id twice or empty, a vector of another dim or not of norm 1, features for
            some images of a gallery and not for others, an unknown id to remove, or none left.
    """
    before = _rebased(before, change.roots)
    check_entries(change.upserts)
    dim = before.dim or None  # an index in the making takes what comes
    given = np.empty((0, before.dim)) if change.vectors is None else change.vectors
    arrived = check_vectors(given, dim, [entry.id for entry in change.upserts])
    placed = place(before.entries, change.upserts, change.removals)
    old = before.embeddings if before.entries else arrived[:0]
    embeddings = _replaced(old, arrived, placed)
    features = _features(before, change)
    if features is not None:
        known = features[:0] if before.features is None else before.features
        features = _replaced(known, features, placed)
    vectors, changed = embeddings, np.array(placed.rows, np.int64)
    if placed.dropped:
        changed = np.arange(len(vectors))  # their numbers are other
    if before.diffusion:
        vectors, changed = _diffused(before, embeddings, features, changed, threads)
    return Merged(
        placed=placed,
        vectors=vectors,
        raw=embeddings if before.diffusion else None,
        features=features,
        changed=changed,
        queries=_asked(before, change.queries, arrived.shape[1]),
        errors=_known_errors(before.errors, change),
        roots=before.roots if change.roots is None else change.roots,
        linked=before.linked if change.linked is None else change.linked,
        unrelated=change.unrelated or before.unrelated,
    )


def _rebased(before: Generation, roots: tuple[Root, ...] | None) -> Generation:
    """Return a generation as it is where some of its roots lie elsewhere from now on."""
    roots = before.roots if roots is None else roots
    after = {root.name: root for root in roots}
    if all(after.get(root.name, root).path == root.path for root in before.roots):
        return before

    def there(place: str) -> str:
        return rebased(place, before.roots, after)

    entries = (
        replace(e, image=e.image and there(e.image), also=tuple(map(there, e.also)))
        for e in before.entries
    )
    errors = tuple({**row, "image": there(row["image"])} for row in before.errors)
    return replace(before, entries=tuple(entries), errors=errors, roots=roots)


def next_generation(before: Generation, merged: Merged, build: Callable[[], Hnsw]) -> Generation:
    """Return the generation after `before`: the merged gallery, and how to search it from now on.

    `build` builds or extends HNSW over `merged.vectors`; it is called only if it is needed.
    """
    choice, hnsw = choose(merged.vectors, merged.queries, build, before.choice)
    embeddings = merged.vectors if merged.raw is None else merged.raw
    entries = merged.placed.entries
    found = calibrate(entries, merged.vectors, embeddings, merged.unrelated, before.space)
    return replace(
        before,
        number=before.number + 1,
        entries=merged.entries,
        vectors=merged.vectors,
        raw=merged.raw,
        features=merged.features,
        choice=choice,
        hnsw=hnsw,
        queries=merged.queries,
        errors=merged.errors,
        roots=merged.roots,
        linked=merged.linked,
        unrelated=merged.unrelated,
        calibrations=found,
    )


def _diffused(
    before: Generation, embeddings: Vectors, features: Array | None, changed: Rows, threads: int
) -> tuple[Vectors, Rows]:
    """Diffuse all embeddings if a row has changed -> what is searched, and which rows are other."""
    assert before.diffusion is not None, "only diffused galleries come here"
    assert features is not None, "_features refuses images without"
    if changed.size == 0:
        return before.vectors, changed
    near = features.astype(np.float32)
    vectors = before.diffusion.of(embeddings, near, threads=threads)
    return vectors, np.arange(len(vectors))


def _replaced(old: Array, arrived: Array, placed: Placement) -> Array:
    """Return the old rows with those that arrived at their places, less those that are dropped."""
    new = np.empty((placed.count, arrived.shape[1]), old.dtype)
    new[: len(old)] = old
    new[[*placed.rows]] = arrived[[*placed.sources]]
    return np.delete(new, placed.dropped, axis=0) if placed.dropped else new


def _features(before: Generation, change: Change) -> Array | None:
    """Return the change's features (U, F) as they are stored; None where images have none.

    Raises:
        InputError: only some of a gallery's images would have them, or diffusion lacks them.
    """
    given, known, count = change.features, before.features, len(change.upserts)
    if before.diffusion and given is None and count:
        raise InputError(
            f"the {count} images have no features to diffuse their embeddings over; use a bundle "
            f"whose gallery has them, or leave out --diffuse"
        )
    if before.entries and count and (given is None) != (known is None):
        held = "no image features, but the" if known is None else "image features, but not the"
        raise InputError(
            f"the index holds {held} {count} images that are to be added; index all images again "
            f"with one bundle"
        )
    if given is None:
        return None if known is None else known[:0]
    names = [entry.id for entry in change.upserts]
    dim = None if known is None else known.shape[1]
    return check_vectors(given, dim, names).astype(np.float16)


def _asked(before: Generation, queries: npt.ArrayLike | None, dim: int) -> Vectors | None:
    """Return the queries to measure on: a sample of the new ones, else those that were kept."""
    if queries is None:
        return before.queries
    asked = check_vectors(queries, dim)
    return sample(asked) if len(asked) else before.queries


def _known_errors(before: tuple[Skipped, ...], change: Change) -> tuple[Skipped, ...]:
    """Return the errors of images that have not arrived since, each with its latest reason."""
    mended = {entry.image for entry in change.upserts if entry.image is not None}
    mended |= set(change.mended)
    again = {row.get("image") for row in change.errors if row not in before}
    known = [row for row in before if row.get("image") not in mended | again]
    return (*known, *(row for row in change.errors if row not in known))


def check_vectors(
    vectors: npt.ArrayLike, dim: int | None, names: Sequence[str] | None = None
) -> Vectors:
    """Return `vectors` as a float32 matrix (N, dim) whose rows are unit vectors.

    Args:
        vectors: one row per name, or any number of rows without names.
        dim: length of a row; None takes what comes.
        names: what the rows are called in messages.

    Raises:
        InputError: another shape, or a row that is not finite or not of norm 1; names the row.
    """
    matrix: Vectors = np.ascontiguousarray(vectors, np.float32)
    wanted = (len(matrix) if names is None else len(names), dim or matrix.shape[-1])
    if matrix.shape != wanted:
        raise InputError(
            f"the vectors have shape {matrix.shape}, but {wanted if names else ('any', dim)} is "
            f"needed; embed with a bundle of its space"
        )
    norms = np.linalg.norm(matrix, axis=1)
    wrong = np.flatnonzero(~(np.abs(norms - 1) <= _NORM_TOLERANCE))  # so that NaN is wrong, too
    if wrong.size:
        first = names[wrong[0]] if names else f"row {wrong[0]}"
        raise InputError(
            f"{wrong.size} of {len(matrix)} vectors are not unit vectors, first {first} "
            f"with norm {norms[wrong[0]]:.6g}; normalise them"
        )
    return matrix
