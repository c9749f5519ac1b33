"""The images that a query is made of, where the index holds them, too: told by their content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from zscr.artefact import hash_file
from zscr.data.records import Query
from zscr.errors import ZscrError
from zscr.infer.found import Found
from zscr.infer.index.index import Index


def own_contents(query: Query) -> Set[str]:
    """Return the sha256 of the files that a query, or a term of it, is made of.

    An image that is open already has no file. One that cannot be read makes no answer, which says
    so itself.
    """
    if query.terms:
        return {one for term in query.terms for one in own_contents(term.query)}
    found = set()
    for image in (query.image, query.sketch):
        if isinstance(image, str | Path):
            with suppress(OSError, ZscrError):
                found.add(hash_file(Path(image)))
    return found


def without_own(found: Found, own: Set[str], k: int) -> Found:
    """Return the k best matches that are none of a query's own contents, and note how many were."""
    others = [match for match in found.matches if match.entry.sha256 not in own]
    left = len(found.matches) - len(others)
    told = (f"{left} with the content of the query's own image: left out",) if left else ()
    return replace(found, matches=others[:k], notes=(*found.notes, *told))


def most_held(index: Index, contents: Sequence[Set[str]]) -> int:
    """Return how many images of an index at most have one of a query's own contents.

    Args:
        contents: of each query.
    """
    known = {one for own in contents for one in own}
    counts = Counter(entry.sha256 for entry in index.entries if entry.sha256 in known)
    return max((sum(counts[one] for one in own) for own in contents), default=0)
