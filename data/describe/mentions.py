"""Which classes a text names: a description that names another class teaches of that one, too."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from zscr.data.describe.naming import plain

# Scripts that put no space between words: Thai to Myanmar, Khmer, kana and Han. Each of their
# characters is taken for a word, and a name for several.
_UNSPACED = "\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")  # `_` marks what is emphasised
# ending of a plural -> what may stand in its place
_PLURALS = (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe"), ("men", "man"))
_IRREGULAR = {"mice": "mouse", "geese": "goose", "feet": "foot", "teeth": "tooth"}
_IRREGULAR |= {"children": "child", "oxen": "ox", "cacti": "cactus", "octopi": "octopus"}

Phrase = tuple[str, ...]


class Mention(NamedTuple):
    """The name by which a text names a class, and the words that it does it with: fan, fans."""

    name: str
    said: str


class Mentions:
    """The names of a collection's classes, looked for in texts: whole words, plurals too."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """Take class id -> name; a class is also known by its name without a qualifier."""
        self._phrases = {class_id: _phrases(name) for class_id, name in names.items()}
        self._by_start: dict[str, list[tuple[Phrase, str]]] = {}
        for class_id, phrases in self._phrases.items():
            for phrase in phrases:
                self._by_start.setdefault(phrase[0], []).append((phrase, class_id))

    def others(self, class_id: str, text: str) -> dict[str, Mention]:
        """Return how a text names classes besides its own, by class, in its order.

        A name that is a part of the class's own is none: a `teddy bear` is a bear. Of names that
        begin at the same word the longest counts, and hides those within it.
        """
        own = {word for phrase in self._phrases[class_id] for word in phrase}
        others: dict[str, Mention] = {}
        for name, phrase, said in self._named(text):
            if name != class_id and not own.issuperset(phrase):
                others.setdefault(name, Mention(_spoken(phrase), _spoken(said)))
        return others

    def _named(self, text: str) -> Iterator[tuple[str, Phrase, list[str]]]:
        """Yield the classes that a text names, each with the words of its name, and as said."""
        said = words_of(text)
        words = [_forms(word) for word in said]
        place = 0
        while place < len(words):
            found = [
                (phrase, class_id)
                for form in sorted(words[place])
                for phrase, class_id in self._by_start.get(form, ())
                if _stands(phrase, words[place : place + len(phrase)])
            ]
            longest = max((len(phrase) for phrase, _ in found), default=1)
            end = place + longest
            yield from (
                (name, phrase, said[place:end]) for phrase, name in found if len(phrase) == longest
            )
            place = end


def _phrases(name: str) -> frozenset[Phrase]:
    spoken = (plain(name), plain(re.sub(r"[ _]\(.*\)$", "", name)))
    return frozenset(tuple(words_of(one)) for one in spoken) - {()}


def words_of(text: str) -> list[str]:
    """Return the words of a text, however its letters are composed or set."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _spoken(words: Iterable[str]) -> str:
    """Put words together as they are written, without a space where their script has none."""
    return re.sub(rf"(?<=[{_UNSPACED}]) (?=[{_UNSPACED}])", "", " ".join(words))


def _stands(phrase: Phrase, words: list[frozenset[str]]) -> bool:
    fits = len(phrase) == len(words)
    return fits and all(word in forms for word, forms in zip(phrase, words, strict=True))


def _forms(word: str) -> frozenset[str]:
    """Return a word, and what it may be the plural of."""
    singular = {word.removesuffix(end) + put for end, put in _PLURALS if word.endswith(end)}
    return frozenset({word, _IRREGULAR.get(word, word), *singular})
