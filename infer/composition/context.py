"""A short text among words, in front and behind: its meaning is the mean of what it makes of them.

BASIC's contextualisation: "sketch" alone is an unusual caption, while "dog sketch", "sketch dog",
"boat sketch", … are as captions are, and what they have in common is the sketch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zscr.infer.composition.affine import Numbers, Scores

WORDS = 100  # BASIC's number: 200 phrases a text


def phrases(text: str, words: Sequence[str]) -> list[str]:
    """Return "{word} {text}" of each word, then "{text} {word}" of each."""
    return [f"{word} {text}" for word in words] + [f"{text} {word}" for word in words]


def mean_phrase(rows: Numbers) -> Scores:
    """Return the unit mean (D,) of the phrases' unit embeddings (N, D)."""
    mean = np.asarray(rows, np.float64).mean(axis=0)
    unit: Scores = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return unit
