"""Prompts as rows of ids: -2 where a vector stands, -1 where there is no token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.checkpoints import clip_tokenizer, siglip_tokenizer
from zscr.data.records import Query
from zscr.infer.encoder import Encoder, load_encoder
from zscr.train.encoders.raw import NO_TOKEN, SLOT, raw_prompts


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes the encoder of K words, with a mask or padded to a length."""
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path / "cache"))

    def make(words: int, *, padded: bool = False) -> Encoder:
        (siglip_tokenizer() if padded else clip_tokenizer()).save_pretrained(tmp_path)
        spec = {"field": "text", "kind": "prompt", "tokenizer": "tokenizer.json", "words": words}
        names = ["input_ids", *([] if padded else ["attention_mask"]), "slot"]
        spec |= {"names": names, "max_length": 16, "template": "a * , {}", "dtype": "int64"}
        spec |= {"pad_to": 16} if padded else {}
        files = {"tokenizer.json": (tmp_path / "tokenizer.json").read_bytes()}
        return load_encoder(raw_prompts(spec, files))

    return make


@pytest.mark.parametrize("words", [1, 3])
def test_rows_are_known(encoder: Any, words: int) -> None:
    """CLIP's ids of "a * , red" and of "* bird", each with its place, behind them nothing."""
    made = encoder(words)
    assert made.row_shape == (16,)
    rows = made.encode(Query.of("text", ["red", "* bird"]))
    assert rows.dtype == np.int32
    slots, rest = [SLOT] * words, [NO_TOKEN] * (11 - words)
    assert rows.tolist() == [
        [545, 320, *slots, 267, 520, 546, *rest],
        [545, *slots, 530, 546, *rest, NO_TOKEN, NO_TOKEN],
    ]


def test_padding_that_is_read_is_kept(encoder: Any) -> None:
    """SigLIP's tower takes the padding's ids and no mask."""
    [row] = encoder(1, padded=True).encode(Query.of("text", ["* red"]))
    assert row[0] == SLOT
    assert NO_TOKEN not in row


def test_no_slot_marks_nothing(encoder: Any) -> None:
    """A row whose slot is -1 is a plain text, whatever the number of words."""
    made = encoder(3)
    feeds = made.prepare(Query.of("text", ["* bird"])).feeds
    [row] = made.run({**feeds, "slot": np.array([-1])})
    assert row.tolist()[:6] == feeds["input_ids"][0].tolist()
