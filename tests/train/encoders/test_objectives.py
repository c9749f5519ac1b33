"""What the small image encoder learns: targets of known geometry, and features that carry over."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from zscr.data.records import Query
from zscr.infer.encoder import load_encoder
from zscr.train.encoders.cnn import CnnConfig, train_cnn
from zscr.train.encoders.objectives import ClassTexts, whitened

COLOURS = ("red", "green", "blue", "yellow", "black", "white")
L, S = slice(6), slice(6, 12)  # of the traits: the large spot's colour and the small one's


def test_targets_even_out_the_axes_of_the_texts() -> None:
    """Orthogonal axes of lengths 1 and .1: s / sqrt(s² + .02 s_1²), then rows of mean square 1.

    By hand: the corners (±1, ±.1) have singular values in the ratio 1 : .1, gains 1 / sqrt(1.02)
    and .1 / sqrt(.03), so a row's two entries differ by that ratio and no more by ten.
    """
    corners = torch.tensor([[1, 0.1], [1, -0.1], [-1, 0.1], [-1, -0.1]]) + 5
    rows = whitened(corners)
    assert rows.shape == (4, 2)
    first, second = 1 / math.sqrt(1.02), 0.1 / math.sqrt(0.03)
    expected = torch.tensor([first, second]) * math.sqrt(2 / (first**2 + second**2))
    torch.testing.assert_close(rows.abs(), expected.expand(4, 2))
    torch.testing.assert_close(rows.square().mean(), torch.tensor(1.0))


def test_no_more_axes_than_classes_tell_apart() -> None:
    """Three classes lie in a plane, however long their texts' rows are."""
    assert whitened(torch.rand(3, 20)).shape == (3, 2)
    assert whitened(torch.rand(80, 100)).shape == (80, 48)


def test_the_loss_of_texts_is_least_at_the_classes_own() -> None:
    """A head that tells each class's texts from a one-hot feature has no regression left."""
    loss_of = ClassTexts(5, torch.rand(5, 9, generator=torch.Generator().manual_seed(1)))
    labels, features = torch.arange(5), torch.eye(5)
    with torch.no_grad():
        loss_of.head.bias.zero_()
        loss_of.head.weight.copy_(loss_of.targets.T)
        right, wrong = loss_of(features, labels), loss_of(features, labels.roll(1))
        loss_of.head.weight.mul_(-1)
        opposite = loss_of(features, labels)
    assert right < 0.2 < 1 < wrong < opposite


def two_spots(folder: Path) -> tuple[list[Path], list[int], list[tuple[str, str]]]:
    """Draw all pairs of a large spot's colour and a small one's, four images each."""
    kinds = [(a, b) for a in COLOURS for b in COLOURS if a != b]
    rng, paths, labels = np.random.default_rng(7), [], []
    for label, (large, small) in enumerate(kinds):
        for number in range(4):
            image = Image.new("RGB", (32, 32), "grey")
            pen, (x, y) = ImageDraw.Draw(image), rng.integers(0, 6, 2).tolist()
            pen.ellipse((x, y, x + 16, y + 16), fill=large)
            pen.rectangle((x + 17, y + 17, x + 22, y + 22), fill=small)
            paths.append(folder / f"{label}-{number}.png")
            image.save(paths[-1])
            labels.append(label)
    return paths, labels, kinds


def test_features_for_texts_tell_what_unseen_classes_are_made_of(tmp_path: Path) -> None:
    """A linear reading of them names both spots' colours in combinations that were never seen.

    The texts are the traits, one-hot, as a bag of words says them; chance is a sixth.
    """
    paths, labels, kinds = two_spots(tmp_path)
    traits = np.stack([[n == COLOURS.index(v) for v in k for n in range(6)] for k in kinds])
    new = [n for n, (a, b) in enumerate(kinds) if (COLOURS.index(b) - COLOURS.index(a)) % 6 == 1]
    seen = [n for n in range(len(kinds)) if n not in new]
    shown = [row for row, label in enumerate(labels) if label in seen]
    held_out = [row for row, label in enumerate(labels) if label in new]
    objective = partial(ClassTexts, means=torch.from_numpy(traits[seen].astype(np.float32)))
    images, numbers = [paths[n] for n in shown], [seen.index(labels[n]) for n in shown]
    config = CnnConfig(32, (8, 16), 40, 24, hidden=32)
    train_cnn(images, numbers, objective, tmp_path / "e", "test", config)
    features = load_encoder(tmp_path / "e").encode(Query.of("image", paths)).astype(np.float64)
    features = (features - features[shown].mean(0)) / features[shown].std()
    truth = traits[labels].astype(np.float64)
    x, y = features[shown], truth[shown] - truth[shown].mean(0)
    told = features[held_out] @ np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)
    right = [(told[:, of].argmax(1) == truth[held_out][:, of].argmax(1)).mean() for of in (L, S)]
    assert right[0] > 0.8
    assert right[1] > 0.4
