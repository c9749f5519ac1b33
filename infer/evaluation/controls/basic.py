"""BASIC as a control: Harris fusion of an image's and a text's channel, with and without expansion.

Psomas et al., NeurIPS 2025. The published minima are of another encoder and of images that cannot
be had, so both are measured here: on the gallery itself, and on texts of words.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from zscr.infer.composition.affine import Affine, Numbers, affine, projected
from zscr.infer.composition.basic import Basic, divisors, even_samples
from zscr.infer.composition.composition import Expansion, Fusion
from zscr.infer.composition.expansion import expanded
from zscr.infer.composition.statistics import Statistics
from zscr.infer.evaluation.controls.fusions import Parts, Way
from zscr.infer.evaluation.controls.neighbours import neighbours
from zscr.infer.evaluation.controls.selected import Values
from zscr.infer.evaluation.embedded import Vectors
from zscr.infer.evaluation.fused import Fused, FusedScores
from zscr.infer.evaluation.ranked import Ranked

LAMBDAS = (0.1, 0.02, 0.05, 0.15, 0.2)  # the published one first


def basic_ways(objects: Vectors, styles: Vectors, about: str) -> list[Way]:
    """Return BASIC without expansion and with it.

    Args:
        objects: unit embeddings (n, D) of names of things; styles: (m, D) of styles and contexts.
        about: how texts were put among words.
    """
    basic, samples = Basic.of(objects, styles), even_samples(objects, styles)

    def way(name: str, expansion: Expansion | None) -> Way:
        known = cache(lambda parts: _channels(parts, basic, samples, expansion))

        def rank(parts: Parts, values: Values) -> Ranked:
            fusion = Fusion("harris", value=values["lambda"])
            return Fused(parts.task, known(parts), parts.gallery, fusion)

        return Way(name, rank, {"lambda": LAMBDAS}, about)

    return [way("BASIC", None), way("BASIC, expanded", Expansion())]


def _channels(
    parts: Parts, basic: Basic, samples: Vectors, expansion: Expansion | None
) -> tuple[Affine, Affine]:
    """Return both channels, normalised."""
    gallery = Statistics(parts.gallery)
    texts = parts.text if parts.phrased is None else parts.phrased
    image, text = basic.channels(parts.image, texts, gallery.mean)
    if expansion:
        image = _expanded(parts, basic, image, gallery.mean, expansion)
    minima = gallery.least(), gallery.least(samples - basic.text_mean)
    first, second = divisors(minima, "first")
    return image.normalised(minima[0], first), text.normalised(minima[1], second)


def _expanded(
    parts: Parts, basic: Basic, image: Affine, mean: Numbers, expansion: Expansion
) -> Affine:
    """Ask again with the mean of each query's best images, of those that count for it."""
    scorer = FusedScores((image,), parts.gallery, Fusion("sum"))
    rows = [
        expanded(query - mean, parts.gallery[found] - mean, scores, expansion.sharpness)
        for query, (found, scores) in zip(
            parts.image, neighbours(parts.task, scorer, expansion.images), strict=True
        )
    ]
    return affine(projected(np.stack(rows), basic.columns), mean)
