"""LinCIR's masking: what a sentence names gives way to places of the pseudo-word.

Gu et al. (CVPR 2024). A finder (`Nouns`, `Tagger`) says where runs of words are that name things;
each becomes one place. The authors' code does it otherwise in four ways, which are `QUIRKS` here:

- `determiners`: a run may hold determiners, or be one ("a").
- `substrings`: a run is replaced wherever its letters stand, also within other words.
- `random-word`: where a run does not stand in the sentence as its words joined by spaces, or there
  is none, one random word is replaced instead, and the runs that follow are left.
- `photo`: where no place is left, the masked sentence is "a photo of [$]".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol

from zscr.artefact import hash_bytes
from zscr.errors import ConfigError

PLACE = "[$]"
PHOTO = f"a photo of {PLACE}"
DETERMINERS, SUBSTRINGS, RANDOM_WORD, PHOTO_QUIRK = QUIRKS = (
    "determiners",
    "substrings",
    "random-word",
    "photo",
)
RELEASED = "released"  # all of them

Span = tuple[int, int]  # characters [start, stop) of a sentence
Run = tuple[Span, ...]  # words that stand in a row and name one thing


class Finder(Protocol):
    """Finds what sentences name."""

    def __call__(self, sentences: Sequence[str]) -> Iterator[list[Run]]:
        """Yield the runs of each sentence, in their order and without overlaps."""


def read_quirks(setting: str) -> frozenset[str]:
    """Read a setting that lists quirks with commas between, or says `released` for all of them.

    Raises:
        ConfigError: one is none.
    """
    if setting == RELEASED:
        return frozenset(QUIRKS)
    named = [name.strip() for name in setting.split(",") if name.strip()]
    if unknown := [name for name in named if name not in QUIRKS]:
        raise ConfigError(
            f"setting quirks={setting!r}: there is no {unknown[0]!r}; list some of "
            f"{', '.join(QUIRKS)}, or say {RELEASED}"
        )
    return frozenset(named)


def cleaned(sentence: str) -> str:
    """Return a sentence as it is trained on: lower case, and without signs that mark places.

    `<PERSON>` stands for names in Conceptual Captions 12M.
    """
    plain = sentence.replace("<PERSON>", "person").lower().replace("$", "").replace("*", "")
    return " ".join(plain.split())


def masked(sentence: str, runs: Iterable[Run], quirks: Collection[str] = ()) -> str:
    """Return a cleaned sentence with a place, `[$]`, for each run; the same where there is none.

    "the cat sat on a mat" is "the [$] sat on a [$]", and with all quirks "the c[$]t s[$]t on [$]
    m[$]t" where a tagger finds the run "a" alone.

    Args:
        sentence: without a place.
        runs: what a finder has found in it.
        quirks: of `QUIRKS`.
    """
    if not {SUBSTRINGS, RANDOM_WORD} & {*quirks}:
        return _masked_at(sentence, [(run[0][0], run[-1][1]) for run in runs])
    phrases = [_phrase(sentence, run, quirks) for run in runs] or [""]
    found = sentence
    for phrase in phrases:
        if phrase and phrase in sentence:
            found = found.replace(phrase, PLACE, -1 if SUBSTRINGS in quirks else 1)
        elif RANDOM_WORD in quirks and sentence:
            return found.replace(_random_word(sentence), PLACE)
    return found


def _masked_at(sentence: str, spans: Sequence[Span]) -> str:
    ends = [0, *(stop for _, stop in spans)]
    starts = [*(start for start, _ in spans), len(sentence)]
    return PLACE.join(sentence[a:b] for a, b in zip(ends, starts, strict=True))


def _phrase(sentence: str, run: Run, quirks: Collection[str]) -> str:
    """Return a run as it stands in the sentence or, as released, its words joined by spaces."""
    if RANDOM_WORD in quirks:
        return " ".join(sentence[start:stop] for start, stop in run)
    return sentence[run[0][0] : run[-1][1]]


def _random_word(sentence: str) -> str:
    """Return a word of a sentence, always the same one: a resumed run must see what it saw."""
    words = sentence.split()
    return words[int(hash_bytes(sentence.encode())[:12], 16) % len(words)]
