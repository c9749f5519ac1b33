"""What is masked, by hand: runs that a finder finds, and the released code's four quirks."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.errors import ConfigError, MissingExtraError
from zscr.train.methods.pic2word.masking import PLACE, QUIRKS, Run, cleaned, masked, read_quirks
from zscr.train.methods.pic2word.nouns import Nouns
from zscr.train.methods.pic2word.tagger import MODELS, Tagger

MAT = "the cat sat on a mat"


def runs_of(sentence: str, phrases: Iterable[str]) -> list[Run]:
    """Return the runs that stand for phrases, each where it first occurs as whole words."""
    runs, begun = [], 0
    for phrase in phrases:
        words = []
        for word in phrase.split():
            begun = f" {sentence} ".index(f" {word} ", begun)
            words.append((begun, begun + len(word)))
        runs.append(tuple(words))
    return runs


@pytest.mark.parametrize(
    ("quirks", "found"),
    [
        ("", "the [$] sat on a [$]"),
        # As the release does it with these runs: "a" is replaced in "cat", "sat" and "mat".
        ("released", "the c[$]t s[$]t on [$] m[$]t"),
    ],
)
def test_the_cat_sat_on_a_mat(quirks: str, found: str) -> None:
    """A lone determiner of the released tagging tears all words that hold its letter."""
    runs = ["a"] if quirks else ["cat", "mat"]
    assert masked(MAT, runs_of(MAT, runs), read_quirks(quirks)) == found


def test_each_run_is_one_place() -> None:
    sentence = "a small red bird sits on a red house"
    runs = runs_of(sentence, ["small red bird", "red house"])
    assert masked(sentence, runs) == "a [$] sits on a [$]"
    # A run that is replaced as a substring is replaced again where it stands once more.
    again = runs_of("red and red", ["red"])
    assert masked("red and red", again) == "[$] and red"
    assert masked("red and red", again, {"substrings"}) == "[$] and [$]"


def test_a_run_that_does_not_stand_there_as_its_words() -> None:
    """Two tokens without a space between: a random word goes instead, and the rest stays."""
    sentence, runs = "a 3cm nail in wood", [((2, 3), (3, 5)), ((14, 18),)]
    assert masked(sentence, runs) == "a [$] nail in [$]"
    found = masked(sentence, runs, {"random-word"})
    assert found == masked(sentence, runs, {"random-word"})
    assert any(found == sentence.replace(word, PLACE) for word in sentence.split())


def test_without_a_run_nothing_is_masked() -> None:
    assert masked("it runs", []) == "it runs"
    assert masked("it runs", [], {"random-word"}) in ("[$] runs", "it [$]")
    assert masked("", [], read_quirks("released")) == ""


def test_quirks_are_named() -> None:
    assert read_quirks("") == frozenset()
    assert read_quirks("released") == set(QUIRKS)
    assert read_quirks(" photo, substrings") == {"photo", "substrings"}
    with pytest.raises(ConfigError, match="no 'substring'; list some of determiners"):
        read_quirks("substring")


def test_sentences_are_cleaned() -> None:
    """No sign that marks a place is left, and names of people are words."""
    assert cleaned(" A <PERSON>  pays $5 *\tnow") == "a person pays 5 now"


def test_nouns_are_whole_words_and_the_longest() -> None:
    """`car` is not found in `cart` nor `carpet`, and `fire truck` wins over `fire`."""
    nouns = Nouns(["Car", "fire", "fire truck", "wine_bottle", "t-shirt"])
    sentence = "a car, a cart and a Fire-Truck by the fire, truck of wine bottle t shirt carpet"
    [runs] = nouns([sentence])
    found = "a [$], a cart and a [$] by the [$], truck of [$] [$] carpet"
    assert masked(sentence, runs) == found


def test_a_vocabulary_without_words() -> None:
    with pytest.raises(ConfigError, match="masks nothing"):
        Nouns(["", "--"])


@given(st.lists(st.sampled_from(["red", "cat", "mat", "a", "on", "red cat", "-"]), max_size=8))
def test_what_is_not_masked_stays(words: list[str]) -> None:
    """Put back what the places stand for, and the sentence is there again."""
    sentence = " ".join(words)
    [runs] = Nouns(["red cat", "cat", "mat"])([sentence])
    parts = masked(sentence, runs).split(PLACE)
    hidden = [sentence[run[0][0] : run[-1][1]] for run in runs]
    assert len(parts) == len(hidden) + 1
    assert "".join(x + y for x, y in zip(parts, [*hidden, ""], strict=True)) == sentence
    assert not any(word in ("cat", "mat") for word in masked(sentence, runs).split())


@pytest.mark.parametrize("absent", [("spacy",), MODELS])
def test_a_tagger_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, absent: tuple[str, ...]
) -> None:
    """One sentence names the extra, be it spaCy that is missing or its model."""
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match="extra 'tagger'"):
        Tagger()


def test_spacy_finds_runs() -> None:
    """The published model: nouns with their adjectives, and determiners where wanted."""
    pytest.importorskip("spacy", reason="needs the extra 'tagger'")
    sentence = "a small bird with a red crown, two dogs run through the wet grass"
    [runs] = Tagger()([sentence])
    assert masked(sentence, runs) == "a [$] with a [$], two [$] run through the [$]"
    [runs] = Tagger(determiners=True)([sentence])
    assert masked(sentence, runs) == "[$] with [$], two [$] run through [$]"
    with pytest.raises(ConfigError, match="cannot load the model 'no_such_model'"):
        Tagger("no_such_model")
