"""Nouns that are known by name: class names, attribute values, or a list of words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from zscr.errors import ConfigError
from zscr.train.methods.pic2word.masking import Run, cleaned

_WORD = re.compile(r"\w+")
_JOINT = re.compile(r"[\s_'’-]+")  # what may stand between the words of one name


class Nouns:
    """Finds whole words and phrases of a vocabulary, the longest first; see `Finder`."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take names of one word or more, in any case.

        Raises:
            ConfigError: none of them has a letter.
        """
        self._phrases: dict[str, set[tuple[str, ...]]] = {}  # by their first word
        for name in names:
            if words := tuple(_words(cleaned(name))):
                self._phrases.setdefault(words[0], set()).add(words)
        if not self._phrases:
            raise ConfigError("a vocabulary without a word masks nothing; name one in it")

    def __call__(self, sentences: Sequence[str]) -> Iterator[list[Run]]:
        """Yield the runs of each sentence."""
        return map(self._runs, sentences)

    def _runs(self, sentence: str) -> list[Run]:
        words = [
            match.span()
            for match in _WORD.finditer(sentence.replace("_", " "))  # `\w` has it, names do not
        ]
        texts = [sentence[start:stop].lower() for start, stop in words]
        runs, place = list[Run](), 0
        while place < len(words):
            count = self._length(sentence, words, texts, place)
            if count:
                runs.append(tuple(words[place : place + count]))
            place += count or 1
        return runs

    def _length(
        self, sentence: str, spans: list[tuple[int, int]], texts: list[str], place: int
    ) -> int:
        """Return how many words the longest phrase has that begins at a word; 0 for none."""
        best = 0
        for words in self._phrases.get(texts[place], ()):
            count = len(words)
            if count > best and tuple(texts[place : place + count]) == words:
                gaps = zip(spans[place:], spans[place + 1 : place + count], strict=False)
                if all(_JOINT.fullmatch(sentence[a[1] : b[0]]) for a, b in gaps):
                    best = count
        return best


def _words(text: str) -> list[str]:
    return _WORD.findall(text.replace("_", " "))
