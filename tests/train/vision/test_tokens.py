"""Tokens of a frozen map: the places in their order, and a collection's own directions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.train.vision.networks import PREPROCESS
from zscr.data.collection import read_collection
from zscr.errors import ConfigError
from zscr.infer.encoder import load_encoder
from zscr.train.vision.backbone import open_backbone
from zscr.train.vision.directions import FILE, fit_directions, read_directions

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


def test_directions_are_a_half_whitened_basis_around_each_mean() -> None:
    """Coordinates do not vary together, and vary as the square roots of the variances do."""
    draw = torch.Generator().manual_seed(2)
    scales = torch.tensor([4.0, 2.0, 1.0, 0.5])
    turn = torch.linalg.qr(torch.randn(4, 4, generator=draw))[0]
    roots = (torch.randn(2, 20_000, 4, generator=draw) * scales) @ turn
    roots[1] += 3.0  # sketches lie elsewhere
    found = fit_directions(*(roots.sign() * roots.square()), 3)
    centred = (
        roots - torch.stack([torch.from_numpy(m) for m in (found.image, found.sketch)])[:, None]
    )
    made = (centred @ torch.from_numpy(found.matrix)).flatten(0, 1)
    assert torch.allclose(
        torch.from_numpy(found.sketch - found.image), torch.tensor(3.0), atol=0.15
    )
    variances = (made.T @ made) / len(made)
    wanted = scales[:3] * 3 / scales[:3].sum()  # the square roots, of mean 1
    assert torch.allclose(variances, torch.diag(wanted), atol=0.03)


def test_all_encoders_of_a_collection_share_its_directions(
    small_network: Path, scenes: Path
) -> None:
    """A sketch's differ from a photo's by the means alone, a view's not at all."""
    collection = read_collection(scenes)
    backbone = open_backbone(str(small_network), "tokens", width=5)
    photos = backbone.encoder(collection=collection)
    sketches = backbone.encoder(sketch=True, collection=collection)
    found = read_directions(photos / FILE)
    rows = run(photos)
    whole = run(open_backbone(str(small_network), "tokens").encoder()).astype(np.float32)
    expected = (np.sign(whole) * np.sqrt(np.abs(whole)) - found.image) @ found.matrix
    assert np.abs(rows - expected).max() < 1e-2 * np.abs(expected).max()
    moved = (found.image - found.sketch) @ found.matrix
    assert np.abs(run(sketches) - rows - moved).max() < 1e-2 * np.abs(rows).max()
    assert np.array_equal(run(backbone.encoder(view="flipped", collection=collection)), rows)
    assert backbone.tower().width == 5


def test_what_cannot_be_fitted_is_refused(small_network: Path, shapes: Path) -> None:
    backbone = open_backbone(str(small_network), "tokens", width=5)
    with pytest.raises(ConfigError, match="fitted to a collection; name one"):
        backbone.encoder()
    with pytest.raises(ConfigError, match="has no sketch of them that can be used"):
        backbone.encoder(collection=read_collection(shapes))
    with pytest.raises(ConfigError, match="have 16 numbers, so no 17 of it"):
        open_backbone(str(small_network), "tokens", width=17)
    with pytest.raises(ConfigError, match="one of frozen, upper, tokens"):
        open_backbone(str(small_network), "half")
