"""Rows of sentences for training: the tower reads them as it reads texts that are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.checkpoints import SAVE
from zscr.data.records import Query
from zscr.infer.encoder import load_encoder
from zscr.train.methods.pic2word.config import Config
from zscr.train.methods.pic2word.fitting import Fitting
from zscr.train.methods.pic2word.pretrained_base import pretrained_base

TEXTS = ["a photo of dog", "a red bird"]


@pytest.mark.parametrize("family", ["clip", "siglip", "chinese_clip", "metaclip_2"])
def test_training_reads_sentences_as_the_text_encoder(family: str, tmp_path: Path) -> None:
    """Of every family, SigLIP's among them, whose tower reads a fixed number of places."""
    base = pretrained_base(str(SAVE[family](tmp_path / family)))
    seen: Any = None  # no rows of it are read
    rows = Fitting(Config(base=family), base, seen, torch.device("cpu")).rows()(TEXTS)
    tower = base.language.tower
    with torch.no_grad():
        found = tower.compose(rows, torch.zeros(len(TEXTS), 1, tower.width))
    expected = load_encoder(base.encoders["text"]).encode(Query.of("text", TEXTS))
    assert (found - torch.from_numpy(expected)).abs().max() < 1e-4
