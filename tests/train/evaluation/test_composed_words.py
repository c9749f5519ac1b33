"""BASIC and the mean of texts need an encoder that reads words; the rest of a report does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.composition.context import mean_phrase, phrases
from zscr.infer.composition.words import evenly, own_words
from zscr.infer.features.encoded import Encoded
from zscr.train.evaluation.composed_words import TaskWords
from zscr.train.evaluation.model import Model

Rows = Callable[[str], np.ndarray]


def telling(text: str) -> np.ndarray:
    """Return a row of a text's own."""
    return np.random.default_rng([*text.encode()]).standard_normal(8).astype(np.float32)


def deaf(text: str) -> np.ndarray:
    """Return the same row for all texts but of two words."""
    return telling(text if text in ("red", "blue") else "")


def model_of(rows: Rows, asked: list[str] | None = None, **changes: Any) -> Model:
    """Make a model of nothing but a text encoder."""

    def encode(queries: Sequence[Query]) -> Any:
        texts = [str(query.text) for query in queries]
        if asked is not None:
            asked.extend(texts)
        return Encoded.whole(np.stack(list(map(rows, texts))))

    about: Any = {"folder": None, "about": {}, "collection": None, "encode_gallery": encode}
    about |= {"takes": [frozenset({"text"})], "holds": frozenset({"image"}), "encode": encode}
    return Model(**about | changes)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_a_text_among_words_is_the_mean_of_its_phrases() -> None:
    """Each text once, however often it is asked, and no phrase twice."""
    asked: list[str] = []
    words = TaskWords(model_of(telling, asked), ["red", "blue", "red"])
    found = words.phrased(["blue", "red", "blue"])
    near = evenly(own_words().objects, 100)
    rows = [unit(np.stack([*map(telling, phrases(text, near))])) for text in ("blue", "red")]
    expected = [mean_phrase(each) for each in rows]
    assert found is not None
    np.testing.assert_allclose(found, [expected[0], expected[1], expected[0]], atol=1e-6)
    assert [way.name for way in words.ways()] == ["BASIC", "BASIC, expanded"]
    assert len(asked) == len(set(asked))


def test_many_texts_stand_alone() -> None:
    """Captions of 21 kinds would be 4,200 phrases; the report says that there are none."""
    words = TaskWords(model_of(telling), [f"caption {n}" for n in range(21)])
    assert words.phrased(["caption 1"]) is None
    assert {way.about for way in words.ways()} == {"texts alone"}


def test_an_encoder_of_few_words_has_no_basic(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said once, with the numbers, and nothing is measured on rows that are all alike."""
    words = TaskWords(model_of(deaf), ["red", "blue"])
    assert (words.ways(), words.phrased(["red"]), words.mean) == ([], None, None)
    told = capsys.readouterr().err
    assert told.count("BASIC is left out") == 1
    assert "words for things apart" in told


def test_an_encoder_that_refuses_words_has_no_basic(capsys: pytest.CaptureFixture[str]) -> None:
    """Its reason is told; the other controls go on."""

    def refuse(queries: Sequence[Query]) -> Any:
        raise InputError("3 of 5 texts fail: nothing of them is known")

    words = TaskWords(model_of(telling, encode=refuse), ["red"])
    assert (words.ways(), words.mean) == ([], None)
    assert "BASIC is left out: 3 of 5 texts fail" in capsys.readouterr().err


def test_a_vocabulary_brings_freedom() -> None:
    """Whatever becomes of BASIC."""
    given = (["cat", "dog"], np.eye(2, 8, dtype=np.float32))
    words = TaskWords(model_of(deaf, vocabulary=lambda: given), ["red"])
    assert [(way.name, way.about) for way in words.ways()] == [
        ("FreeDom", "2 words of the bundle's vocabulary")
    ]
