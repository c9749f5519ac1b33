"""TF-IDF in a graph: scikit-learn's rows, from a tokenizer that any runtime has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from zscr.artefact import read_manifest
from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.features.split import load_split
from zscr.infer.runners.runner import Runtime
from zscr.train.encoders import tfidf
from zscr.train.encoders.tfidf import TfidfConfig, fit_tfidf
from zscr.train.methods.contract import Need

TEXTS = (
    "A small red bird; the bird is RED.",
    "the big blue bird of Café Ñandú",
    "東京 x_1 22 a house by the sea, the café",
    "red house",
)


def texts_of(*texts: str) -> list[Query]:
    return Query.of("text", texts)


def fitted(out: Path, texts: Sequence[str] = TEXTS, **settings: int) -> Encoder:
    fit_tfidf(texts, out, "test", TfidfConfig(**{"min_texts": 1} | settings))
    return load_encoder(out, Runtime(threads=1))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return fitted(tmp_path_factory.mktemp("tfidf") / "encoder")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return fitted(tmp_path_factory.mktemp("pairs") / "encoder", pairs=True)


def theirs(fitted_on: Sequence[str] = TEXTS, **settings: Any) -> TfidfVectorizer:
    return TfidfVectorizer(sublinear_tf=True, **settings).fit(fitted_on)


def their_pairs(
    texts: Sequence[str], fitted_on: Sequence[str] = TEXTS, **settings: Any
) -> np.ndarray:
    """Return scikit-learn's rows with the words' columns first, then those of the pairs."""
    vectorizer = theirs(fitted_on, ngram_range=(1, 2), **settings)
    names = vectorizer.get_feature_names_out()
    order = sorted(range(len(names)), key=lambda n: (" " in names[n], names[n]))
    return vectorizer.transform(texts).toarray()[:, order]


def test_known_weights(tmp_path: Path) -> None:
    """By hand: idf(red) = ln(4/2) + 1, idf(bird) = ln(4/3) + 1; two reds weigh 1 + ln 2."""
    encoder = fitted(tmp_path / "e", ("red bird", "bird", "sea"))
    red, bird = np.log(4 / 2) + 1, np.log(4 / 3) + 1
    row = np.array([bird, (1 + np.log(2)) * red, 0])
    found = encoder.encode(texts_of("red bird red unknown"))[0]
    np.testing.assert_allclose(found, row / np.linalg.norm(row), atol=1e-6)


WORDS = st.sampled_from(
    ["red", "RED", "bird", "the", "Café", "東京", "a", "x_1", "22", "zebra", "!"]
)


@given(st.lists(st.lists(WORDS, max_size=12).map(" ".join), min_size=1, max_size=5))
def test_rows_equal_scikit_learn(encoder: Encoder, texts: list[str]) -> None:
    """Any words in any batch, known or not, repeated or none: the same row to 1e-6."""
    expected = theirs().transform(texts).toarray()
    np.testing.assert_allclose(encoder.encode(texts_of(*texts)), expected, atol=1e-6)


@given(st.lists(st.lists(WORDS, max_size=12).map(" ".join), min_size=1, max_size=5))
def test_rows_of_pairs_equal_scikit_learn(pairs: Encoder, texts: list[str]) -> None:
    """Padding, unknown words and the start make no pair; a repeated one counts as often."""
    found = pairs.encode(texts_of(*texts))
    np.testing.assert_allclose(found, their_pairs(texts), atol=1e-6)


def test_rare_pairs_are_left_out(tmp_path: Path) -> None:
    """A pair of fewer texts than asked for has no column though both of its words have."""
    texts = (*TEXTS, "the red bird by the sea", "one small sea")
    encoder = fitted(tmp_path / "e", texts, min_texts=2, pairs=True)
    expected = their_pairs(texts, texts, min_df=2)
    np.testing.assert_allclose(encoder.encode(texts_of(*texts)), expected, atol=1e-6)
    body = read_manifest(tmp_path / "e", "encoder").body["tfidf"]
    assert body["words"] + body["pairs_kept"] == encoder.dim


def test_known_words_in_no_known_pair_are_a_text_like_any(pairs: Encoder) -> None:
    """It is the words' row, with nothing said of it; unknown words and blank texts are told."""
    [found] = pairs.encode(texts_of("sea Ñandú red"))
    assert np.count_nonzero(found) == 3
    prepared = pairs.prepare(texts_of("sea Ñandú red", "red zebra house", "zebra"))
    assert prepared.unknown == {1: ("zebra",), 2: ("zebra",)}
    assert prepared.blank == (2,)


def test_texts_without_any_repeated_pair_are_fitted_on_words(tmp_path: Path) -> None:
    """No pair is in two texts: the rows are those of words alone."""
    texts = ("red bird", "bird red")
    both = [fitted(tmp_path / str(p), texts, min_texts=2, pairs=p) for p in (False, True)]
    rows = [encoder.encode(texts_of("red bird")) for encoder in both]
    np.testing.assert_array_equal(*rows)


def test_too_many_words_for_a_table_of_pairs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence has both numbers and what to use; at the limit they are taken."""
    texts = [f"w{number}" for number in range(30)]
    monkeypatch.setattr(tfidf, "MOST_PAIRED", 30)
    assert fitted(tmp_path / "e", texts, pairs=True).dim == 30
    with pytest.raises(InputError, match="^31 words are in 1 of the 31 texts.* room for 30; use.*"):
        fitted(tmp_path / "many", [*texts, "more"], pairs=True)
    assert not (tmp_path / "many").exists()
    assert fitted(tmp_path / "words", [*texts, "more"]).dim == 31


def test_rare_words_are_left_out(tmp_path: Path) -> None:
    """A word of fewer texts than asked for has no column, however often one text says it."""
    encoder = fitted(tmp_path / "e", min_texts=2)
    expected = theirs(min_df=2).transform(TEXTS).toarray()
    np.testing.assert_allclose(encoder.encode(texts_of(*TEXTS)), expected, atol=1e-6)
    with pytest.raises(InputError, match="no word is in 5 of the 4 texts"):
        fitted(tmp_path / "none", min_texts=5)
    assert not (tmp_path / "none").exists()


def test_what_is_no_word_is_told(encoder: Encoder) -> None:
    """Pictographs and single letters; not Latin ones, marks, or what is behind the last token."""
    texts = ["red 🐕, 麺", "a red bird\u200b…", "麺🐕", "red " * 1100 + "🐕"]
    prepared = encoder.prepare(Query.of("text", texts))
    assert prepared.unknown == {0: ("🐕", "麺"), 2: ("麺🐕",)}
    assert (prepared.blank, prepared.truncated) == ((2,), (3,))


def test_unknown_words_and_blank_texts_are_told(encoder: Encoder) -> None:
    """As they were written; a text of unknown words only, or of no word, is blank."""
    prepared = encoder.prepare(texts_of("Red Zebra-crossing", "red", "Zebras", "!?"))
    assert prepared.unknown == {0: ("Zebra", "crossing"), 2: ("Zebras",)}
    assert prepared.blank == (2, 3)
    assert encoder.encode(texts_of("Zebras", "!?")).tolist() == np.zeros((2, encoder.dim)).tolist()


def test_long_texts_are_cut_and_told(tmp_path: Path) -> None:
    """At the limit, which counts the start token, a text is whole; one word more and it is cut."""
    encoder = fitted(tmp_path / "e", max_length=4)
    texts = texts_of("red house by", "red house by the")
    assert encoder.prepare(texts).truncated == (1,)
    rows = encoder.encode(texts)
    np.testing.assert_array_equal(rows[0], rows[1])


def test_blank_texts_of_a_split_are_counted(
    encoder: Encoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They stay in the split, or an evaluation would pass over its hardest queries."""
    with new_collection(tmp_path / "c", name="c", protocol="test", provenance={}) as draft:
        draft.add_class(ClassInfo("a", "a", ("red", "zebra"), text_rows=None), "seen")
        draft.add_item(Item("a/0", "seen", "a"))
        draft.save_vectors("image", np.ones((1, 2), np.float32))
    encoders = {"image": None, "text": encoder}
    needs = (Need("image"), Need("text"))
    split = load_split(read_collection(tmp_path / "c"), "seen", needs, encoders)
    assert split["text"].rows.any(1).tolist() == [True, False]
    assert "1 of 2 texts hold no word that 'test' knows" in capsys.readouterr().err
