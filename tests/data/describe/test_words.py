"""Names in sentences, names of others in answers, and how long a sentence may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.data.describe.mentions import Mentions
from zscr.data.describe.naming import fill, plain
from zscr.data.describe.sentence import LETTERS, WORDS, says_something, shorten, tidy
from zscr.schema import text

CLASSES = "car_(sedan) teddy_bear bear knife mouse hot-air_balloon wheelchair chair door fox"
FOREIGN = "snowman 门 ประตู e\u0301toile"
MENTIONS = Mentions({name: name.replace("_", " ") for name in f"{CLASSES} {FOREIGN}".split()})


def test_names_are_plain_words() -> None:
    names = {"car_(sedan)": "sedan car", "hot-air_balloon": "hot air balloon", "ape": "ape"}
    assert {name: plain(name) for name in names} == names
    assert fill("A {} is like an {}, {}.", "ape") == "An ape is like an ape, ape."
    assert fill("a {}", "bee") == "a bee"


@pytest.mark.parametrize(
    ("own", "said", "others"),
    [
        ("door", "It is as low as a car.", ["car_(sedan)"]),
        ("door", "Two Sedan cars wide.", ["car_(sedan)"]),
        ("door", "With knives, mice and foxes.", ["knife", "mouse", "fox"]),
        ("door", "It is cared for, by nobody: carefully.", []),
        ("door", "A hot-air balloon, or a hot air balloon.", ["hot-air_balloon"]),
        ("teddy_bear", "A teddy bear is a small bear.", []),
        ("bear", "Unlike a teddy bear, a bear is alive.", ["teddy_bear"]),
        ("wheelchair", "A wheelchair is a chair with wheels.", ["chair"]),
        ("chair", "A chair has no wheels, a wheelchair has.", ["wheelchair"]),
        ("car_(sedan)", "A car of the sedan kind, a sedan.", []),
        ("fox", "It stands in a _door_.", ["door"]),
        ("fox", "For snowmen, in a **ｄｏｏｒ**.", ["snowman", "door"]),
        ("fox", "它像一扇门一样。", ["门"]),
        ("fox", "มีประตูใหญ่", ["ประตู"]),
        ("fox", "Like an \u00e9toile.", ["e\u0301toile"]),
    ],
)
def test_other_classes_are_found(own: str, said: str, others: list[str]) -> None:
    """Whole words and plurals of any script; the longest counts, and parts of the own do not."""
    assert [*MENTIONS.others(own, said)] == others


@given(st.text(), st.sampled_from(["word ", "End. ", "w" * 300 + " ", "\x1b\u202e", "\ud800"]))
def test_any_text_becomes_a_sentence_that_may_be_stored(some: str, more: str) -> None:
    """It begins as the text does, and what fits is as it was."""
    line = tidy(some + more * 70)
    kept = shorten(line)
    text(LETTERS)(kept, "")
    assert kept.isprintable() or tidy(kept) == kept
    assert line.startswith(kept)
    assert len(kept.split()) <= WORDS
    assert kept == line or len(line.split()) > WORDS or len(line) > LETTERS
    kept.encode()


def test_sentences_of_scripts_without_spaces_are_kept() -> None:
    """Whole ones as far as there are any; what has no letter says nothing."""
    assert shorten("它有四条腿。" * 150) == "它有四条腿。" * (LETTERS // 6)
    assert shorten("มันมีสี่ขา" * 90) == ("มันมีสี่ขา" * 90)[:LETTERS]
    assert [says_something(one) for one in ("它", "Ä.", "...", "🐱🐱", "- 1.")] == [True] * 2 + [
        False
    ] * 3
