"""Tokenizers of strangers: tried where they can do no harm, and only once."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from zscr.errors import InputError
from zscr.infer.inputs.tokenizer import load_tokenizer

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a function that writes a tokenizer of two words, with parts set as asked."""
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path / "cache"))

    def write(vocabulary: dict[str, int] | None = None, **parts: object) -> Path:
        words = {"[UNK]": 0, "a": 1} if vocabulary is None else vocabulary
        tokenizer = Tokenizer(models.WordLevel(words, "[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        for name, part in parts.items():
            setattr(tokenizer, name, part)
        tokenizer.save(str(tmp_path / "tokenizer.json"))
        return tmp_path / "tokenizer.json"

    return write


def test_a_cache_that_may_not_be_read_is_none(make, monkeypatch):
    """As that of another user of a container: the tokenizer is tried, and used."""

    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    assert load_tokenizer(make({"[UNK]": 0, "b": 1}), 16).encode("b").ids == [1]


def test_a_sound_one_is_tried_once(make, tmp_path, monkeypatch):
    """It is known by its hash afterwards, so that a query does not wait for the trial again."""
    assert load_tokenizer(make(), 16).encode("a a").ids == [1, 1]
    [known] = (tmp_path / "cache/tokenizers").iterdir()
    assert known.stat().st_size == 0
    monkeypatch.setenv("PATH", "")
    assert load_tokenizer(make(), 16).encode("a b").ids == [1, 0]


@pytest.mark.parametrize(
    "parts",
    [
        {"pre_tokenizer": pre_tokenizers.Split(Regex(r"(x+x+)+y"), "isolated")},
        {"normalizer": normalizers.Sequence([normalizers.Replace("a", "a" * 99)] * 8)},
        {"vocabulary": {"a": 1}},
    ],
    ids=["regex bomb, a panic in Rust", "growing normaliser", "no word for unknown ones"],
)
def test_hostile_ones_end_with_their_process(make, parts):
    """Not with this one: a panic cannot be caught, and memory is not given back."""
    with pytest.raises(InputError, match="was ended|is no usable tokenizer") as refused:
        load_tokenizer(make(**parts), 16)
    assert "\n" not in str(refused.value)


def test_what_is_no_tokenizer_is_refused(tmp_path, make):
    """By the library's own words, whatever class of error it raises."""
    path = tmp_path / "other.json"
    path.write_text('{"a":' * 10_000)
    with pytest.raises(InputError, match="is no usable tokenizer"):
        load_tokenizer(path, 16)
