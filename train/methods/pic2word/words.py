"""The words that a tokenizer knows whole, and those that a collection holds out."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tokenizers import Tokenizer

from zscr.data.collection import Collection
from zscr.errors import ConfigError

MOST = 7000  # of the words with the lowest ids, which are the most frequent ones
LEAST = 3  # letters
FEWEST = 4  # words
_BEFORE = "a"  # that a word stands behind in a sentence
_MARKS = re.compile("^[Ġ▁]|</w>$")  # of where words begin or end, in byte pairs and pieces
_WORD = re.compile(r"[a-z]+")


def whole_words(tokenizer: bytes, without: Iterable[str] = (), most: int = MOST) -> dict[str, int]:
    """Return words of one token, in small letters, with their ids in ascending order.

    Args:
        tokenizer: its file; without: words that are left out.
        most: words that are kept.

    Raises:
        ConfigError: there are hardly any, as where texts are spelt in bytes.
    """
    found = Tokenizer.from_str(tokenizer.decode())
    found.no_padding()
    found.no_truncation()
    held_out = set(without)
    tokens = ((number, found.id_to_token(number)) for number in range(found.get_vocab_size()))
    spelt = {number: _MARKS.sub("", token) for number, token in tokens if token}
    spelt = {n: w for n, w in spelt.items() if len(w) >= LEAST and _WORD.fullmatch(w)}
    before = found.encode(_BEFORE, add_special_tokens=False).ids
    sentences = [f"{_BEFORE} {word}" for word in spelt.values()]
    words: dict[str, int] = {}
    for (number, word), encoding in zip(
        spelt.items(), found.encode_batch(sentences, add_special_tokens=False), strict=True
    ):
        whole = encoding.ids == [*before, number]  # and no piece that is spelt like a word
        if whole and word not in held_out and len(words) < most:
            words[word] = number
    if len(words) < FEWEST:
        raise ConfigError(
            f"the base's tokenizer has {len(words)} whole words that are not held out, too few to "
            f"begin at; set mapper=im2text"
        )
    return words


def held_out_words(collection: Collection) -> set[str]:
    """Return the words of names that only unseen and validation items have, in both numbers.

    Names are those of classes and the values of attributes. A word that a seen name has, too, is
    not held out: "green" of an unseen "fluorescent green".
    """
    seen, others = set[str](), set[str]()
    for name, split in _names(collection):
        (seen if split == "seen" else others).update(_WORD.findall(name.lower()))
    return {form for word in others - seen for form in _numbers(word)} - seen


def seen_names(collection: Collection) -> set[str]:
    """Return the names that seen items have, with spaces between their words."""
    return {name for name, split in _names(collection) if split == "seen"}


def _names(collection: Collection) -> Iterable[tuple[str, str]]:
    """Yield each name with a split that has it."""
    for split, ids in collection.splits.items():
        yield from ((collection.classes[one].name, split) for one in ids)
        yield from ((one.replace("_", " "), split) for one in ids)
    for item in collection.items:
        yield from ((value, item.split) for value in item.attributes.values())


def _numbers(word: str) -> Iterable[str]:
    """Yield a word's singular and plural, as far as letters tell."""
    yield from (word, f"{word}s", f"{word}es")
    if word.endswith("ies"):
        yield word[:-3] + "y"
    if word.endswith("es"):
        yield word[:-2]
    if word.endswith("s"):
        yield word[:-1]
    if word.endswith("y"):
        yield word[:-1] + "ies"
