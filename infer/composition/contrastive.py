"""Contrastive PCA of words: what objects differ in, less what styles and contexts differ in.

Abid et al., Nature Communications 2018, as BASIC (Psomas et al., NeurIPS 2025) uses it: projected
onto these directions, an image's embedding keeps what is on it and loses how it is shown.
"""

from __future__ import annotations

import numpy as np

from zscr.infer.composition.affine import Numbers, Vectors

SHARE, MOST = 0.2, 250  # of styles, and of directions: BASIC's, for every encoder
# The published code adds this to every element of C, not to its diagonal: as the rank-one matrix
# 1e-5 · 1 1' it lifts the direction of all ones by 1e-5 · D, and no other.
_LIFT = 1e-5
_ROUNDING = 1e-10  # of the largest eigenvalue: few words leave directions with values that are zero


def contrastive_columns(
    objects: Numbers, styles: Numbers, mean: Numbers, *, share: float = SHARE, most: int = MOST
) -> Vectors:
    """Return orthonormal columns V (D, K), the most telling first; P = V V' is the projection.

    C = (1 - share) A'A / (n - 1) - share B'B / (m - 1) + 1e-5, with A and B the rows minus the
    mean; V are the eigenvectors of its K = min(most, number of positive ones) largest eigenvalues.

    Args:
        objects: unit embeddings (n, D) of names of things, two at least; styles: (m, D) likewise.
        mean: (D,) of the objects' embeddings, which is subtracted from both.
    """
    centred = [np.asarray(rows, np.float64) - mean for rows in (objects, styles)]
    wanted, unwanted = (rows.T @ rows / (len(rows) - 1) for rows in centred)
    values, vectors = np.linalg.eigh((1 - share) * wanted - share * unwanted + _LIFT)
    kept = np.argsort(-values)[: min(most, int((values > _ROUNDING * values[-1]).sum()))]
    return vectors[:, kept].astype(np.float32)
