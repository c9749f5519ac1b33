"""Whether an answer may be kept: there is one, it is of the class, and it names no other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from zscr.data.collection import Collection
from zscr.data.describe.mentions import Mention, Mentions, words_of
from zscr.data.describe.sentence import says_something, shorten, tidy

# How models begin where they refuse in words: no description begins so.
_DECLINES = re.compile(
    r"\W*(i('m| am) (so |very |terribly )?(sorry|afraid|unable|not able)|i (can('t|not)|won't)"
    r"|sorry|as an ai|(unfortunately|apologies),? i)\b",
    re.IGNORECASE,
)
_FEW = 3  # words; beside an echo, what is less tells nothing


@dataclass(frozen=True)
class Sentence:
    """A description that may be kept, and whether it was longer before."""

    text: str
    cut: bool


class Unusable(Exception):
    """An answer that should not be kept; another one may do.

    Attributes:
        avoid: names that it should have done without.
        spare: its description, if that may be kept where no other answer does.
        damaged: whether it is not even a chat completion, as of a server that is none.
    """

    def __init__(
        self,
        said: str,
        avoid: tuple[str, ...] = (),
        spare: Sentence | None = None,
        *,
        damaged: bool = False,
    ) -> None:
        super().__init__(said)
        self.avoid, self.spare, self.damaged = avoid, spare, damaged


class Checks:
    """Checks answers of strangers against a collection's classes."""

    def __init__(self, collection: Collection) -> None:
        self._names = {info.id: info.name for info in collection.classes.values()}
        self._unseen = set(collection.splits["unseen"])
        self._mentions = Mentions(self._names)

    def sentence(self, class_id: str, text: str, asked: Sequence[str] = ()) -> Sentence:
        """Return the description of a class that an answer is.

        Args:
            class_id: of the class; text: the answer.
            asked: the texts that it answers.

        Raises:
            Unusable: it says nothing, nothing but what was asked, declines, or names other
                classes. If all of those are trained on, it is spare.
        """
        line = tidy(text)
        kept = shorten(line)
        if not says_something(kept):
            raise Unusable("the answer has no word" if line else "the answer is empty")
        if _echoes(line, asked):
            raise Unusable("the answer only repeats the question")
        if _DECLINES.match(line.replace("\u2019", "'")):
            raise Unusable("the model declines to answer")
        sentence = Sentence(kept, cut=kept != line)
        if named := self._mentions.others(class_id, kept):
            raise self._naming(named, sentence)
        return sentence

    def leak(self, class_id: str, text: str) -> str | None:
        """Return the unseen class that a text about another one names, if it does."""
        named = self._mentions.others(class_id, text)
        return next((name for name in named if name in self._unseen), None)

    def names_another(self, class_id: str, text: str) -> bool:
        """Say whether a text about a class names another one."""
        return bool(self._mentions.others(class_id, text))

    def _naming(self, named: Mapping[str, Mention], sentence: Sentence) -> Unusable:
        """Return why a sentence that names other classes is not kept; an unseen one is told."""
        leak = next((name for name in named if name in self._unseen), None)
        told, kind = (leak, "unseen") if leak else (next(iter(named)), "training")
        return Unusable(
            f"the answer says '{named[told].said}', which names the {kind} class "
            f"{self._names[told]}",
            avoid=tuple(mention.name for mention in named.values()),
            spare=None if leak else sentence,
        )


def _echoes(line: str, asked: Iterable[str]) -> bool:
    """Say whether a line is a part of what was asked, or that and next to nothing else."""
    rest = _spoken(line)
    for text in map(_spoken, asked):
        if rest in text and len(rest.split()) > _FEW:
            return True
        rest = rest.replace(text, " ")
    return rest != _spoken(line) and len(rest.split()) < _FEW


def _spoken(text: str) -> str:
    """Return the words of a text between spaces, so that one is found in another as a whole."""
    return f" {' '.join(words_of(text))} "
