"""Descriptions that somebody has written into a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.data.collection import Collection
from zscr.data.describe.mentions import Mentions
from zscr.data.describe.sentence import shorten, tidy
from zscr.errors import InputError
from zscr.regular import read_regular
from zscr.schema import listing, mapping, words
from zscr.strict_json import parse_json

_LARGEST = 64 << 20  # bytes of the file; 1,000 classes of four sentences have 1 MB
_SENTENCES = mapping(words)
_LISTED = listing(words)

Answers = Mapping[str, Mapping[str, str]]  # class -> prompt -> sentence


@dataclass(frozen=True)
class Given:
    """What a file says of classes.

    Attributes:
        answers: class -> prompt -> sentence; what was a list is numbered from 1.
        cut: sentences that were longer than is read.
        leaks: class and unseen class of the sentences that were left out, since they name one.
    """

    answers: dict[str, dict[str, str]]
    cut: int
    leaks: tuple[tuple[str, str], ...]


def read_given(path: Path, collection: Collection) -> Given:
    """Read `{class: {prompt: sentence}}` or `{class: [sentences]}`.

    Raises:
        InputError: it is not there, holds something else, or a sentence of it is empty.
    """
    rows = _rows(path)
    mentions = Mentions({info.id: info.name for info in collection.classes.values()})
    unseen = set(collection.splits["unseen"])
    answers: dict[str, dict[str, str]] = {}
    cut, leaks = 0, []
    for class_id, sentences in rows.items():
        kept = answers.setdefault(class_id, {})
        for prompt, text in sentences.items():
            line = tidy(text)
            sentence = shorten(line)
            if not sentence:
                raise InputError(f"{path}: {class_id!a:.60}, {prompt!a:.40} is no text; write one")
            named = mentions.others(class_id, sentence) if class_id in collection.classes else ()
            if leak := next((name for name in named if name in unseen), None):
                leaks.append((class_id, leak))
                continue
            cut += sentence != line
            kept[prompt] = sentence
    return Given(answers, cut, tuple(leaks))


def _rows(path: Path) -> dict[str, dict[str, str]]:
    try:
        content = parse_json(read_regular(path, _LARGEST, "file of descriptions"))
        mapping(_either)(content, "")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"{path} holds no descriptions ({why}); write {{class: {{prompt: sentence}}}} or "
            f"{{class: [sentences]}}"
        ) from error
    return {name: _numbered(sentences) for name, sentences in content.items()}


def _either(value: Any, where: str) -> None:
    """Take sentences by their prompts, or a list of them."""
    (_LISTED if isinstance(value, list) else _SENTENCES)(value, where)


def _numbered(sentences: Any) -> dict[str, str]:
    if isinstance(sentences, dict):
        return sentences
    return {str(number): text for number, text in enumerate(sentences, 1)}
