"""Edits of texts: which are found, which are drawn, and what of."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.checkpoints import clip_tokenizer
from zscr.errors import CollectionError
from zscr.train.methods.pic2word.edits import Edits, one_word_apart
from zscr.train.methods.pic2word.sentence_rows import SentenceRows

TEXTS = [
    "a red hat",
    "A blue hat",
    "a red cat",
    "a red hat",
    "the dog",
    "a night",
    "a small blue hat",
]


def rows() -> SentenceRows:
    return SentenceRows(clip_tokenizer().backend_tokenizer.to_str().encode(), longest=20)


def make(texts: list[str], noise: float = 0.0) -> tuple[Edits, torch.Tensor]:
    """Return edits of texts whose embeddings are the axes, one a spelling."""
    number = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    embedded = torch.eye(len(number))[[number[text] for text in texts]]
    return Edits(texts, embedded * 2, embedded, rows(), "{} *", noise), embedded


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3), min_size=1, max_size=9))
def test_sets_are_the_pairs_one_word_apart(texts: list[list[str]]) -> None:
    """By a comparison of all pairs: those of one length that differ at one place, no others."""
    found = set()
    for one in one_word_apart([" ".join(words) for words in texts]):
        for first, second in itertools.permutations(one, 2):
            found |= set(itertools.product(one[first], one[second]))
    assert found == {
        (a, b)
        for a, b in itertools.permutations(range(len(texts)), 2)
        if len(texts[a]) == len(texts[b])
        and sum(x != y for x, y in zip(texts[a], texts[b], strict=True)) == 1
    }


def test_every_edit_and_no_other_is_drawn() -> None:
    """Of each text that is arrived at: another of the set, and the sentence has its own word."""
    edits, embedded = make(TEXTS)
    members = sum(len(own) for one in one_word_apart(TEXTS) for own in one.values())
    noise, drawn = torch.Generator().manual_seed(7), set()
    expected = {
        (source, word, into)
        for one in one_word_apart(TEXTS)
        for word, own in one.items()
        for into in own
        for other, theirs in one.items()
        if other != word
        for source in theirs
    }
    spelt = {tuple(rows()([f"{word} *"])[0].tolist()): word for _, word, _ in expected}
    for _ in range(60):
        batch = edits.batch(100, noise)
        assert len(batch.given) == members
        for given_row, prompt, wanted in zip(batch.given, batch.prompts, batch.wanted, strict=True):
            word = spelt[tuple(one for one in prompt.tolist() if one != -1)]
            drawn.add((int(given_row.argmax()), word, int(wanted.argmax())))
    number = [int(row.argmax()) for row in embedded]
    assert drawn == {(number[a], word, number[b]) for a, word, b in expected}


def test_the_length_of_noise_is_relative() -> None:
    """What is added is `noise` times as long as the embedding, in the mean."""
    colours, forms = ("red", "blue", "small"), ("dog", "bird")
    texts = [f"{colour} {form}" for colour in colours for form in forms]
    embedded = torch.randn(6, 400, generator=torch.Generator().manual_seed(1)) * 5
    edits = Edits(texts, embedded, embedded, rows(), "{} *", 0.5)
    batch = edits.batch(100, torch.Generator().manual_seed(2))
    away = torch.cdist(batch.given, embedded).amin(1) / embedded.norm(dim=1).mean()
    assert away.mean() == pytest.approx(0.5, abs=0.05)


def test_the_same_text_is_no_negative() -> None:
    """A perfect answer has no loss from a second row of the same text beside it."""
    edits, _ = make(TEXTS)
    wanted = torch.eye(3)[[0, 0, 1]]
    losses = edits.losses(wanted, wanted, 1000.0)
    assert losses["nce"] < 1e-6
    assert losses["cosine"] < 1e-6


def test_texts_without_edits_are_refused() -> None:
    """Nothing could be trained on."""
    with pytest.raises(CollectionError, match="no two of the 2 seen texts are one word apart"):
        make(["a red hat", "the small dog house"])
