"""The closed form from embeddings back to words, and the words that it is fitted to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.train.methods.pic2word.vocabulary import Vocabulary
from zscr.train.methods.pic2word.words import held_out_words, whole_words


def test_the_ridge_is_least_squares() -> None:
    """By numpy's least squares on rows that are lengthened by the penalty."""
    noise = torch.Generator().manual_seed(7)
    said = torch.nn.functional.normalize(torch.randn(40, 8, generator=noise), dim=1)
    vectors, penalty, gain = torch.randn(40, 5, generator=noise) + 2, 3.0, 1.5
    mapper = Vocabulary(8, 5, words=2, middle=16, dropout=0.1).eval()
    mapper.fit(said, vectors, penalty, gain)
    mean = vectors.numpy().mean(0)
    long = np.concatenate([said.numpy(), penalty**0.5 * np.eye(8)])
    wanted = np.concatenate([vectors.numpy() - mean, np.zeros((8, 5))])
    ridge, *_ = np.linalg.lstsq(long, wanted, rcond=None)
    asked = torch.randn(6, 8, generator=noise) * 9
    units = asked.numpy() / np.linalg.norm(asked.numpy(), axis=1, keepdims=True)
    expected = mean + gain * units @ ridge
    with torch.no_grad():
        found = mapper(asked).numpy()
    assert np.abs(found - np.tile(expected, (1, 2))).max() < 1e-5


def test_whole_words_are_tokens_of_their_own() -> None:
    """Neither pieces nor signs nor what is held out; in the order of ids."""
    pieces = ["[PAD]", "[UNK]", "##ing", "sky", "ab", "red", "3d", "bats", "cat", "ski", "zebra"]
    tokenizer = Tokenizer(models.WordPiece(dict(zip(pieces, range(11), strict=True))))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_padding(length=6)
    found = whole_words(tokenizer.to_str().encode(), {"bats"}, most=4)
    assert found == {"sky": 3, "red": 5, "cat": 8, "ski": 9}


def test_names_of_the_test_are_held_out(tmp_path: Path) -> None:
    """Of classes and of attributes' values, in both numbers; what seen names say is not."""
    with new_collection(tmp_path / "c", name="c", protocol="", provenance={}) as draft:
        for split, name, kind in (
            ("seen", "green_bowl", "Green"),
            ("seen", "mug", "Red"),
            ("val", "sea_cherries", "Red"),
            ("unseen", "wine glass", "Fluorescent Green"),
        ):
            draft.add_class(ClassInfo(name, name), split)
            draft.add_item(Item(name, split, name, None, None, (name,), {"kind": kind}))
    found = held_out_words(read_collection(tmp_path / "c"))
    assert {"sea", "cherries", "cherry", "wine", "wines", "glass", "glasses"} <= found
    assert "fluorescent" in found
    assert not {"green", "bowl", "mug", "red", "kind"} & found
