"""An index written again as a whole, from what it holds: nothing is embedded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from zscr.infer.index.calibration import Calibration, calibrate
from zscr.infer.index.choice import Choice, start
from zscr.infer.index.generation import Generation, Stored
from zscr.infer.index.hnsw import Hnsw
from zscr.infer.index.measuring import choose
from zscr.infer.index.merging import compacted, stored_as
from zscr.infer.index.stack import Stack


def compact(now: Generation) -> Generation:
    """Return a generation in as few segments as there may be, without the rows that are ended.

    HNSW and what was measured stay as they are. It is `now` itself where nothing is to be gained.
    """
    stack = now.stack
    parts = [part for part in (stack.covered, stack.tail) if part.segments]
    if all(len(part.segments) == 1 and not part.ended[0].size for part in parts):
        return now
    return _next(now, compacted(stack, now.next_segment))


def rebuild(
    now: Generation,
    build: Callable[[Stack], Hnsw],
    *,
    stored: Stored | None = None,
    recall: float | None = None,
) -> Generation:
    """Return a generation whose HNSW is built anew, and which is measured and calibrated anew.

    Args:
        now: what is rebuilt.
        build: builds HNSW over all rows of a stack.
        stored: what vectors are to be stored as; None leaves it.
        recall: what HNSW must find to be chosen; None leaves it.

    Raises:
        InputError: the recall cannot be.
    """
    stored = stored or now.stored
    stack = stored_as(compacted(now.stack.with_hnsw(False), now.next_segment), stored)
    fresh = replace(now, hnsw=None, choice=_asked(now.choice, recall))
    choice, hnsw = choose(stack, now.queries, fresh, build, due=True)
    stack = stack.with_hnsw(hnsw is not None)
    following = replace(_next(now, stack), choice=choice, hnsw=hnsw, stored=stored, unmeasured=0)
    return replace(following, calibrations=calibrations_of(following))


def calibrations_of(now: Generation) -> tuple[Calibration, ...]:
    """Return what unrelated queries score in a generation."""
    return calibrate(now.entries.each(), now.vectors, now.embeddings, now.unrelated, now.space)


def _asked(choice: Choice, recall: float | None) -> Choice:
    """Return a choice of which only that is known which the user asked for."""
    wanted = choice.recall if recall is None else recall
    return start(choice.search if choice.pinned else None, wanted)


def _next(now: Generation, stack: Stack) -> Generation:
    number = max(now.next_segment, *(one.number + 1 for one in stack.segments))
    return replace(now, number=now.number + 1, stack=stack, next_segment=number)
