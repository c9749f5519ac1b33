"""Terms as one composed query: an image, what is to be different, and what that replaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zscr.data.records import Query, Term
from zscr.errors import InputError
from zscr.infer.bundle import Bundle
from zscr.infer.composed.choice import choose, text_fault


def composed_query(terms: Sequence[Term], compose: str) -> Query:
    """Return `shoe.jpg + red - blue` as an image with a text instead of another.

    Raises:
        InputError: the terms are no image and text of weight 1, with a text taken away at most.
    """
    parts: dict[str, Any] = {}
    for term in terms:
        [field] = term.query.fields
        name = "instead_of" if field == "text" and term.weight == -1 else field
        sound = term.weight == 1 or name == "instead_of"
        if not sound or name in parts:
            raise _refusal(compose)
        parts[name] = getattr(term.query, field)
    if not {"image", "text"} <= parts.keys():
        raise _refusal(compose)
    return Query("1", compose=compose, **parts)


def require_composable(bundle: Bundle, query: Query, folders: int) -> None:
    """Prove, as far as it is known without an index, that a query of several fields is answered.

    Raises:
        InputError: it is not, or not over several folders' indexes: what is measured on the images
            of an index compares with no score of another.
    """
    composition = choose(bundle, query)
    if composition is None:
        return
    if fault := text_fault(bundle, composition, query):
        raise InputError(fault)
    one_vector = composition.fusion.is_linear and composition.vocabulary is None
    if folders > 1 and not (one_vector or composition.fusion.kind == "product"):
        raise InputError(
            f"'{composition.name}' measures scores by the images of one index, which do not "
            f"compare over {folders} folders; search one that holds them all, or compose otherwise"
        )


def _refusal(compose: str) -> InputError:
    return InputError(
        f"{compose} composes one image with one text, and takes at most one text away, each of "
        f"weight 1, such as: cat.jpg + 'in the snow'; leave --compose out to add up other terms"
    )
