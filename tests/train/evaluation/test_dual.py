"""The linear dual encoder: learns, stops, is chosen on the validation classes, repeats itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zscr.infer.features.split import SplitFeatures
from zscr.train.evaluation import dual
from zscr.train.evaluation.dual import linear_dual_encoder


def splits(noise=0.5):
    """Images are a linear map of their class's text, with noise; classes differ by split."""
    rng = np.random.default_rng(2)
    linear, made = rng.standard_normal((6, 10)), {}
    for name in ("seen", "val", "unseen"):
        texts = rng.standard_normal((24, 6)).astype(np.float32)
        images = texts.repeat(3, 0) @ linear + noise * rng.standard_normal((72, 10))
        made[name] = SplitFeatures(
            tuple(f"{name}{n}" for n in range(24)),
            images.astype(np.float32),
            tuple(map(str, range(72))),
            np.arange(25) * 3,
            texts,
            np.arange(25),
        )
    return made


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """One temperature and few steps: the same code in a fraction of a second."""
    monkeypatch.setattr(dual, "TEMPERATURES", (0.1,))
    monkeypatch.setattr(dual, "STEPS", 300)
    monkeypatch.setattr(dual, "DIM", 16)
    monkeypatch.setattr(dual, "RATE", 1e-2)


def test_it_learns_and_says_what_was_chosen():
    """Unseen classes are found far above chance; the best weights are those that `val` liked."""
    made = splits()
    control = linear_dual_encoder(made["seen"], made["val"], seed=7)
    report = control.judge(made["unseen"]).report()
    assert report.metrics["mAP"] > 8 * report.chance
    quality = control.judge(made["val"]).average_precision().mean()
    assert control.chosen["val_mAP"] == pytest.approx(quality)
    assert control.chosen["temperature"] == 0.1
    assert 0 < control.chosen["step"] <= 300
    assert control.chosen["step"] % dual.LOOK == 0


def test_the_seed_alone_decides():
    """The same seed gives the same embeddings, another one does not."""
    made = splits()
    rows = [
        linear_dual_encoder(made["seen"], made["val"], seed=s).judge(made["unseen"]).queries
        for s in (1, 1, 2)
    ]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert np.abs(rows[0] - rows[2]).max() > 0.01


def test_it_stops_where_nothing_is_gained(monkeypatch):
    """With validation images of other texts there is nothing to gain for long."""
    monkeypatch.setattr(dual, "STEPS", 5000)
    monkeypatch.setattr(dual, "PATIENCE", 4)
    made = splits()
    val = replace(made["val"], images=made["val"].images[::-1].copy())
    chosen = linear_dual_encoder(made["seen"], val, seed=7).chosen
    assert chosen["step"] < 1000
    assert not chosen["step_at_edge"]
