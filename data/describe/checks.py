"""Whether an answer may be kept: there is one, it is of the class, and it names no other."""

from __future__ import annotations

from dataclasses import dataclass

from zscr.data.collection import Collection
from zscr.data.describe.mentions import Mentions
from zscr.data.describe.sentence import says_something, shorten, tidy


class Unusable(Exception):
    """An answer that cannot be kept; another one may do.

    Attributes:
        avoid: names that it should have done without.
        damaged: whether it is not even a chat completion, as of a server that is none.
    """

    def __init__(self, said: str, avoid: tuple[str, ...] = (), *, damaged: bool = False) -> None:
        super().__init__(said)
        self.avoid, self.damaged = avoid, damaged


@dataclass(frozen=True)
class Sentence:
    """A description that may be kept, and whether it was longer before."""

    text: str
    cut: bool


class Checks:
    """Checks answers of strangers against a collection's classes."""

    def __init__(self, collection: Collection) -> None:
        self._names = {info.id: info.name for info in collection.classes.values()}
        self._unseen = set(collection.splits["unseen"])
        self._mentions = Mentions(self._names)

    def sentence(self, class_id: str, text: str) -> Sentence:
        """Return the description of a class that a text is.

        Raises:
            Unusable: it is empty, or names other classes, unseen ones told first.
        """
        line = tidy(text)
        kept = shorten(line)
        if not says_something(kept):
            raise Unusable("the answer is empty")
        if named := sorted(self._mentions.others(class_id, kept), key=self._is_seen):
            kind = "another" if self._is_seen(named[0]) else "an unseen"
            avoid = tuple(self._names[name] for name in named)
            raise Unusable(f"the answer names {kind} class ({avoid[0]})", avoid)
        return Sentence(kept, cut=kept != line)

    def leak(self, class_id: str, text: str) -> str | None:
        """Return the unseen class that a text about another one names, if it does."""
        named = self._mentions.others(class_id, text)
        return next((name for name in named if name in self._unseen), None)

    def _is_seen(self, class_id: str) -> bool:
        return class_id not in self._unseen
