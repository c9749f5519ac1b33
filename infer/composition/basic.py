"""BASIC (Psomas et al., NeurIPS 2025): what it takes of an encoder, and its two channels.

Composed retrieval without training: the image, centred and projected onto what objects differ in;
the text among words, centred; both scores normalised by the least that such scores come to, and
fused by Harris. All that is known of the encoder is embeddings of words and of images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zscr.infer.composition.affine import Affine, Numbers, Scores, Vectors, affine, projected
from zscr.infer.composition.composition import Fusion
from zscr.infer.composition.contrastive import contrastive_columns

HARRIS = Fusion("harris", value=0.1)
_LEAST_DIVISOR = 1e-6  # of a gallery whose images are all the same


@dataclass(frozen=True, eq=False)
class Basic:
    """What BASIC knows of an encoder.

    Attributes:
        text_mean: (D,) of the objects' unit embeddings.
        columns: (D, K) orthonormal; see `contrastive_columns`.
    """

    text_mean: Scores
    columns: Vectors

    @classmethod
    def of(cls, objects: Numbers, styles: Numbers) -> Basic:
        """Measure unit embeddings of names of things (n, D), and of styles and contexts (m, D)."""
        mean = np.asarray(objects, np.float64).mean(axis=0)
        return cls(mean, contrastive_columns(objects, styles, mean))

    def channels(
        self, images: Numbers, texts: Numbers, gallery_mean: Numbers
    ) -> tuple[Affine, Affine]:
        """Return the image's and the text's channel, not normalised yet.

        Args:
            images: unit rows (B, D); texts: (B, D) unit means of phrases (`mean_phrase`).
            gallery_mean: (D,) which images are centred by, those of the queries, too.
        """
        image = projected(np.asarray(images, np.float64) - gallery_mean, self.columns)
        return affine(image, gallery_mean), affine(texts - self.text_mean, gallery_mean)


def least(rows: Numbers, images: Numbers) -> float:
    """Return the minimum of the products of centred rows (T, D) and centred images (G, D)."""
    products = np.asarray(rows, np.float32) @ np.asarray(images, np.float32).T
    return float(products.min())


def divisors(minima: tuple[float, ...], kind: str) -> tuple[float, ...]:
    """Return what each channel's s - m is divided by: see `Fusion.divisor`."""
    sizes = tuple(max(abs(one), _LEAST_DIVISOR) for one in minima)
    return sizes if kind == "own" else (sizes[0],) * len(sizes)
