"""Descriptions that somebody has written into a JSON file."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.artefact import hash_bytes
from zscr.data.collection import Collection
from zscr.data.describe.checks import Checks
from zscr.data.describe.sentence import PROMPT, WORDS, says_something, shorten, tidy
from zscr.data.describe.trained import listed, require_trained
from zscr.errors import InputError
from zscr.progress import say
from zscr.regular import read_regular
from zscr.schema import listing, mapping, words
from zscr.strict_json import parse_json

_LARGEST = 64 << 20  # bytes of the file; 1,000 classes of four sentences have 1 MB
_SENTENCES = mapping(words, PROMPT)
_LISTED = listing(words)

Answers = Mapping[str, Mapping[str, str]]  # class -> prompt -> sentence


@dataclass(frozen=True)
class Given:
    """What a file says of classes.

    Attributes:
        answers: class -> prompt -> sentence; what was a list is numbered from 1.
        cut: the class of each sentence that was too long, and was cut.
        leaks: class and unseen class of each sentence that is left out, since it names that one.
        sha256: of the file.
    """

    answers: dict[str, dict[str, str]]
    cut: list[str]
    leaks: list[tuple[str, str]]
    sha256: str

    def tell(self, path: Path, classes: Container[str]) -> None:
        """Say what of some classes was changed or left out."""
        if cut := [name for name in self.cut if name in classes]:
            say(f"{path}: {len(cut)} sentences are cut to {WORDS} words, of {listed(cut)}")
        if leaks := [f"{name} ({leak})" for name, leak in self.leaks if name in classes]:
            say(f"{path}: sentences that name an unseen class are left out: {listed(leaks)}")


def read_given(path: Path, collection: Collection) -> Given:
    """Read `{class: {prompt: sentence}}`, `{class: [sentences]}` or `{class: sentence}`.

    Raises:
        InputError: it is not there, holds something else, or a sentence of it is empty.
        CollectionError: a class of it is unseen, or not the collection's.
    """
    raw, checks = _read(path), Checks(collection)
    rows = _rows(path, raw)
    require_trained(collection, rows, path)
    given = Given({}, [], [], hash_bytes(raw))
    for class_id, sentences in rows.items():
        given.answers[class_id] = {}
        for prompt, text in sentences.items():
            line = tidy(text)
            sentence = shorten(line)
            if not says_something(sentence):
                raise InputError(f"{path}: {class_id!a:.60}, {prompt!a:.40} is no text; write one")
            if leak := checks.leak(class_id, sentence):
                given.leaks.append((class_id, leak))
                continue
            given.answers[class_id][prompt] = sentence
            if sentence != line:
                given.cut.append(class_id)
    return given


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, _LARGEST, "file of descriptions")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); name another file") from error


def _rows(path: Path, raw: bytes) -> dict[str, dict[str, str]]:
    try:
        content = parse_json(raw.decode("utf-8-sig"))
        mapping(_either)(content, "")
    except ValueError as error:
        raise InputError(
            f"{path} holds no descriptions ({error}); write {{class: {{prompt: sentence}}}}, "
            f"{{class: [sentences]}} or {{class: sentence}}"
        ) from error
    return {name: _numbered(sentences) for name, sentences in content.items()}


def _either(value: Any, where: str) -> None:
    """Take sentences by their prompts, a list of them, or one alone."""
    if not isinstance(value, str):
        (_LISTED if isinstance(value, list) else _SENTENCES)(value, where)


def _numbered(sentences: Any) -> dict[str, str]:
    if isinstance(sentences, dict):
        return sentences
    listed = [sentences] if isinstance(sentences, str) else sentences
    return {str(number): text for number, text in enumerate(listed, 1)}
