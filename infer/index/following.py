"""The generation that an index becomes by a change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.index.appending import appended, diffused
from zscr.infer.index.calibration import Unrelated
from zscr.infer.index.change import Change
from zscr.infer.index.choice import Choice
from zscr.infer.index.entries import Entries
from zscr.infer.index.entry import check_entries, rebased
from zscr.infer.index.exact import Vectors
from zscr.infer.index.generation import Generation
from zscr.infer.index.hnsw import Hnsw
from zscr.infer.index.measuring import choose, sample
from zscr.infer.index.merging import tidied
from zscr.infer.index.placement import Placement, place
from zscr.infer.index.rewriting import calibrations_of
from zscr.infer.index.roots import Root
from zscr.infer.index.stack import Stack
from zscr.infer.index.unit_rows import check_vectors

if TYPE_CHECKING:
    from zscr.data.listing import Skipped

Array = npt.NDArray[Any]

_OFTEN = 10  # a tenth of the rows that is other makes measurements old
_FEW = 1000  # images that are measured after every change, which takes a millisecond


@dataclass(frozen=True, eq=False)
class Merged:
    """A gallery with a change in it: its rows, and what else it has from now on."""

    placed: Placement
    stack: Stack
    next_label: int
    queries: Vectors | None
    errors: tuple[Skipped, ...]
    roots: tuple[Root, ...]
    linked: bool
    unrelated: Unrelated | None
    more: bool = False

    def differs(self, before: Generation) -> bool:
        """Say whether there is anything to commit after the generation that it came from."""
        learnt = self.queries is not before.queries or self.errors != before.errors
        learnt |= self.unrelated is not before.unrelated
        about = (self.roots, self.linked) != (before.roots, before.linked)
        overdue = not self.more and _OFTEN * before.unmeasured > before.count  # after a kill
        return learnt or about or overdue or self.stack is not before.stack


def merge(before: Generation, change: Change, *, threads: int = 1) -> Merged:
    """Check a change and merge it into a generation, in memory.

    A known id is unchanged if all of its entry is equal; else its row ends and a new one comes, as
    for a new id, in the order in which they arrive. A vector that is the same to the bit keeps its
    label. Where the generation is diffused, any change of its rows diffuses all of them anew.

    Args:
        before: what is changed; change: what is to become of it.
        threads: for the neighbours that embeddings are diffused over.

    Raises:
        InputError: an id twice or empty, a vector of another dim or not of norm 1, features for
            some images of a gallery and not for others, an unknown id to remove, or none left.
    """
    roots = before.roots if change.roots is None else change.roots
    check_entries(change.upserts)
    dim = before.dim or None  # an index in the making takes what comes
    given = np.empty((0, before.dim)) if change.vectors is None else change.vectors
    arrived = check_vectors(given, dim, [entry.id for entry in change.upserts])
    features = _features(before, change)
    held = Entries(before.stack, (*roots, *_missing(before, roots)))
    placed = place(held, change.upserts, change.removals)
    wide = {"raw" if before.diffusion else "vectors": arrived.astype(before.stored)}
    if features is not None:
        wide["features"] = features
    stack, next_label = before.stack, before.next_label
    if placed.new or placed.dropped:
        stack, next_label = appended(before, placed, wide, roots)
        if before.diffusion:
            stack, next_label = diffused(before, stack, threads=threads)
    return Merged(
        placed=placed,
        stack=stack,
        next_label=next_label,
        queries=_asked(before, change.queries, arrived.shape[1]),
        errors=_known_errors(rebased_errors(before, roots), change),
        roots=_still_named(before, roots, stack),
        linked=before.linked if change.linked is None else change.linked,
        unrelated=change.unrelated or before.unrelated,
        more=change.more,
    )


def next_generation(
    before: Generation, merged: Merged, grow: Callable[[Stack], Hnsw]
) -> Generation:
    """Return the generation after `before`: the merged gallery, and how to search it from now on.

    What is measured of a gallery is measured again where it has under 1,000 images, or where a
    tenth of them has come or gone since.

    Args:
        before, merged: see `merge`.
        grow: returns HNSW over all rows of a stack; called only if it is needed.
    """
    stack, choice, hnsw = merged.stack, _waiting(before), before.hnsw
    changed = before.unmeasured + len(merged.placed.new) + len(merged.placed.ended)
    learnt = merged.queries is not before.queries or merged.unrelated is not before.unrelated
    due = learnt or stack.count < _FEW or _OFTEN * changed > stack.count
    wait = merged.more and (choice.search == "exact") == (hnsw is None)
    due &= not wait
    if not wait:
        choice, hnsw = choose(stack, merged.queries, before, grow, due=due)
    if hnsw is not before.hnsw:
        stack = stack.with_hnsw(hnsw is not None)
    following = replace(
        before,
        number=before.number + 1,
        stack=stack,
        choice=choice,
        hnsw=hnsw,
        queries=merged.queries,
        errors=merged.errors,
        roots=merged.roots,
        linked=merged.linked,
        unrelated=merged.unrelated,
        next_label=merged.next_label,
        next_segment=max(before.next_segment, *(s.number + 1 for s in stack.segments)),
        unmeasured=0 if due else changed,
    )
    if due:
        following = replace(following, calibrations=calibrations_of(following))
    return following if wait else _tidied(following)


def _waiting(before: Generation) -> Choice:
    """Return how a gallery is searched to which more is being added."""
    choice = before.choice
    if before.count or choice.pinned:
        return choice
    return replace(choice, how="exact: it is measured once all images are added")


def _tidied(now: Generation) -> Generation:
    """Return a generation without many segments or ended rows; all else of it stays.

    Only now, when all rows have been looked at, so that merged ones need not be in memory.
    """
    stack = now.stack if now.diffusion else tidied(now.stack, now.next_segment)
    number = max(now.next_segment, *(one.number + 1 for one in stack.segments))
    return replace(now, stack=stack, next_segment=number)


def _still_named(before: Generation, after: Sequence[Root], stack: Stack) -> tuple[Root, ...]:
    """Return the roots from now on, with those of before that lines of a stack still name."""
    dropped = _missing(before, after)
    if not dropped:
        return tuple(after)
    named = Entries(stack, ()).roots_of(range(stack.count))
    return (*after, *(root for root in dropped if root.name in named))


def _missing(before: Generation, after: Sequence[Root]) -> list[Root]:
    names = {root.name for root in after}
    return [root for root in before.roots if root.name not in names]


def rebased_errors(before: Generation, roots: Sequence[Root]) -> tuple[Skipped, ...]:
    """Return the skipped images of a generation some of whose roots lie elsewhere from now on."""
    after = {root.name: root for root in roots}
    there = (rebased(row["image"], before.roots, after) for row in before.errors)
    return tuple({**row, "image": place} for row, place in zip(before.errors, there, strict=True))


def _features(before: Generation, change: Change) -> Array | None:
    """Return the change's features (U, F) as they are stored; None where images have none.

    Raises:
        InputError: only some of a gallery's images would have them, or diffusion lacks them.
    """
    given, count = change.features, len(change.upserts)
    known = before.features if before.count else None
    if before.diffusion and given is None and count:
        raise InputError(
            f"the {count} images have no features to diffuse their embeddings over; use a bundle "
            f"whose gallery has them, or leave out --diffuse"
        )
    if before.count and count and (given is None) != (known is None):
        held = "no image features, but the" if known is None else "image features, but not the"
        raise InputError(
            f"the index holds {held} {count} images that are to be added; index all images again "
            f"with one bundle"
        )
    if given is None:
        return None if known is None else np.empty((0, known.shape[1]), np.float16)
    names = [entry.id for entry in change.upserts]
    dim = None if known is None else known.shape[1]
    # Half the size of float32; the top 10 of expanded queries are the same, all of them, on 2,300
    # photos (benchmarks/gallery_limits.py).
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
