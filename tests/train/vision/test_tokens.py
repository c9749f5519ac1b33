"""Tokens of a frozen map: the places in their order."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.train.vision.networks import NETWORK, PREPROCESS, network, save
from zscr.errors import ConfigError
from zscr.infer.encoder import load_encoder
from zscr.train.vision.backbone import open_backbone
from zscr.train.vision.folder import Published
from zscr.train.vision.network import open_network

SIDE = PREPROCESS["image_size"]


def run(folder: Path) -> np.ndarray:
    pixels = np.random.default_rng(5).standard_normal((3, 3, SIDE, SIDE)).astype(np.float32)
    return load_encoder(folder).run({"pixels": pixels})


def test_tokens_are_those_of_the_trained_tower(small_network: Path) -> None:
    """Place by place; their mean is the network's own feature."""
    frozen = open_backbone(str(small_network), "tokens")
    upper = open_backbone(str(small_network), "upper")
    rows = run(frozen.encoder())
    tower = frozen.tower()
    assert (tower.width, tower.side, rows.shape, rows.dtype) == (16, 8, (3, 64, 16), np.float16)
    states = tower(torch.from_numpy(rows))
    with torch.no_grad():
        trained = upper.tower()(torch.from_numpy(run(upper.encoder())))
    assert torch.allclose(states.tokens, trained.tokens, atol=4e-3)
    features = run(open_backbone(str(small_network), "frozen").encoder())
    assert np.abs(states.pooled.numpy() - features).max() < 1e-3


def test_a_kind_that_is_none_is_refused(small_network: Path) -> None:
    with pytest.raises(ConfigError, match="one of frozen, upper, tokens"):
        open_backbone(str(small_network), "half")


def test_a_network_is_opened_once(small_network: Path, tmp_path: Path) -> None:
    """By all kinds of towers; and anew where its files are others."""
    place = shutil.copytree(small_network, tmp_path / "network")
    first, second = (open_network(str(place)) for _ in range(2))
    assert isinstance(first, Published)
    assert first is second
    assert first.model is open_backbone(str(place), "upper").published.model
    shutil.rmtree(place)
    save(place, network(NETWORK.replace("{0.4}", "{0.5}")))
    assert open_network(str(place)).sha256 != first.sha256
