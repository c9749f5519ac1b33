"""What a word says of its image's domain, with and without centring."""

from __future__ import annotations

import numpy as np
import torch

from zscr.train.methods.losses import unit
from zscr.train.methods.pic2word.centre import Centre

CLASSES, PER, DIM = 12, 20, 64


def domains() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return unit embeddings (2, C, N, D) of photos and sketches, made of class, domain and noise.

    And the domains' and the classes' directions, as a tower of texts would have them.
    """
    noise = torch.Generator().manual_seed(7)
    axes = torch.linalg.qr(torch.randn(DIM, DIM, generator=noise)).Q
    domain, classes = axes[:2], axes[2 : 2 + CLASSES]
    scatter = torch.randn(2, CLASSES, PER, DIM, generator=noise) * 0.3 / DIM**0.5
    return unit(domain[:, None, None] + classes[None, :, None] + scatter), domain, classes


def test_a_word_that_is_not_centred_says_its_domain() -> None:
    """The collapse: "a photo of *" of a sketch finds sketches, unless the word has lost its domain.

    The tower is linear: a sentence is its domain and its word. The mapper has the closed form that
    photos' own sentence teaches, word = embedding - "a photo of", as Pic2Word's loss wants it.
    """
    rows, domain, _ = domains()
    gallery = rows.flatten(0, 2)
    kinds = torch.arange(2).repeat_interleave(CLASSES * PER)
    labels = torch.arange(CLASSES).repeat_interleave(PER).repeat(2)
    centre = Centre(DIM, 2)
    centre.fit([rows[0].flatten(0, 1), rows[1].flatten(0, 1)])
    sketches = rows[1].flatten(0, 1)
    words = {"as it is": unit(sketches) * 2**0.5 - domain[0], "centred": unit(centre(sketches))}

    def right(name: str) -> float:
        """Return the share of photos of the class among the best PER."""
        found = unit(domain[0] + words[name]) @ gallery.T
        best = found.argsort(1, descending=True)[:, :PER]
        asked = torch.arange(CLASSES).repeat_interleave(PER)[:, None]
        return float(((kinds[best] == 0) & (labels[best] == asked)).float().mean())

    assert right("as it is") < 0.05
    assert right("centred") > 0.95


def test_the_nearest_mean_is_taken() -> None:
    """By numpy: unit rows less the nearest domain's mean, at a mean square of 1."""
    rows, *_ = domains()
    centre = Centre(DIM, 2)
    groups = [rows[0].flatten(0, 1), rows[1].flatten(0, 1)]
    centre.fit(groups)
    means = np.stack([group.numpy().mean(0) for group in groups])
    asked = torch.randn(50, DIM, generator=torch.Generator().manual_seed(3))
    found = centre(asked).numpy()
    whole = asked.numpy() / np.linalg.norm(asked.numpy(), axis=1, keepdims=True)
    nearest = np.linalg.norm(whole[:, None] - means[None], axis=2).argmin(1)
    expected = whole - means[nearest]
    expected *= DIM**0.5 / np.linalg.norm(expected, axis=1, keepdims=True)
    assert {*nearest} == {0, 1}
    assert np.abs(found - expected).max() < 1e-4
