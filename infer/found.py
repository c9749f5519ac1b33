"""What was found for a query, and the answer that this makes: ranked, marked and calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zscr.data.records import Query
from zscr.infer.answers.answer import Answer, Hit, refusal
from zscr.infer.bundle import Bundle
from zscr.infer.columns import Wanted
from zscr.infer.index.calibration import LEVEL, Calibration
from zscr.infer.index.index import Index, Match

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Found:
    """What was found for one query.

    Attributes:
        matches: best first.
        notes: what people are told of it.
        ran: what the query was embedded with.
        composition: the name of what made one ranking of several fields, or None.
        error: why nothing could be, in one sentence.
        reranked: whether the scores are a re-ranking's, and not cosines.
        seen: the query's sketch as the model saw it, where that is not as it was given.
    """

    matches: Sequence[Match] = ()
    notes: tuple[str, ...] = ()
    ran: str = ""
    composition: str | None = None
    error: str | None = None
    reranked: bool = False
    seen: Image.Image | None = None


def answer_of(query: Query, found: Found, wanted: Wanted, bundle: Bundle, index: Index) -> Answer:
    """Return the answer to a query, of which some images were found in an index."""
    if found.error is not None:
        return refusal(query, found.error)
    # Sums, compositions, expanded and re-ranked queries, and parts of an index, score on scales of
    # their own.
    own_scale = query.terms or found.composition or wanted.expansion or found.reranked
    plain = not (own_scale or wanted.only)
    calibration = _calibration(query, bundle, index) if plain else None
    hits = _hits(query, found.matches, bundle, calibration)
    above = hits[0].above_unrelated if hits else None
    nothing, notes = above is not None and above <= LEVEL, found.notes
    if wanted.min_score is not None:
        kept = tuple(hit for hit in hits if hit.score >= wanted.min_score)
        if left := len(hits) - len(kept):
            notes += (f"{left} of {len(hits)} score under {wanted.min_score:g}: left out",)
        hits = kept
    return Answer(
        query, hits, notes, found.ran, nothing, composition=found.composition, seen=found.seen
    )


def _calibration(query: Query, bundle: Bundle, index: Index) -> Calibration | None:
    """Return what unrelated queries score that the same graph embeds, if the index knows."""
    key = bundle.key_of(query.fields)
    return next((one for one in index.calibrations if one.graph == key), None)


def _hits(
    query: Query, matches: Sequence[Match], bundle: Bundle, calibration: Calibration | None
) -> tuple[Hit, ...]:
    """Rank the matches, marked right or wrong where the text's and their class are known."""
    text = query.text if query.fields == {"text"} else None
    right = None if text is None else bundle.examples.get(text)
    return tuple(
        Hit(
            rank,
            entry.id,
            score,
            class_id=(own := entry.class_id),
            image=entry.image,
            sha256=entry.sha256,
            correct=own == right if right and own else None,
            above_unrelated=calibration.above(score) if calibration else None,
        )
        for rank, (entry, score) in enumerate(((m.entry, m.score) for m in matches), 1)
    )
