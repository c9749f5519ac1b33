"""The closed forms that training begins at, against other solutions of the same problems."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import torch

from zscr.train.methods.clip.start import ClosedForm

RNG = np.random.default_rng(7)
OWNER = np.array([0, 0, 1, 2, 2, 2, *range(3, 30)])
IMAGES = RNG.standard_normal((30, 5))
TEXTS = IMAGES[OWNER] @ RNG.standard_normal((5, 7)) + RNG.standard_normal((len(OWNER), 7))
N = len(OWNER)


def maps(image: float, text: float, power: float, dim: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps of images and of texts."""
    tables = torch.from_numpy(IMAGES), torch.from_numpy(TEXTS), torch.from_numpy(OWNER)
    [made] = ClosedForm(*tables).maps([image], [text], [power], dim)
    return made.image.double().numpy(), made.text.double().numpy()


def test_a_large_text_penalty_is_ridge_regression() -> None:
    """Scores are those of the least-squares map of each text's image, by numpy's solver."""
    image, text = maps(0.1, 1e6, 0.5)
    rows = IMAGES[OWNER]
    ridge = np.linalg.solve(rows.T @ rows + 0.1 * N * np.eye(5), rows.T @ TEXTS)
    found = image @ text.T
    np.testing.assert_allclose(found / found[0, 0], ridge / ridge[0, 0], rtol=1e-3, atol=1e-3)


def test_the_axes_are_the_canonical_ones() -> None:
    """Correlations by scipy's generalised eigenvalues; both sides are uncorrelated, and so scaled.

    At power 1 axis k has the variance r_k² and the covariance r_k³.
    """
    a, b = 0.3, 0.2
    rows = IMAGES[OWNER]
    xx, tt, xt = rows.T @ rows / N, TEXTS.T @ TEXTS / N, rows.T @ TEXTS / N
    xx, tt = xx + a * np.eye(5), tt + b * np.eye(7)
    squares = scipy.linalg.eigh(xt @ np.linalg.solve(tt, xt.T), xx, eigvals_only=True)
    r = np.sqrt(squares[::-1])
    image, text = maps(a, b, 1.0)
    np.testing.assert_allclose(image.T @ xx @ image, np.diag(r**2), atol=1e-5)
    np.testing.assert_allclose(text.T @ tt @ text, np.diag(r**2), atol=1e-5)
    np.testing.assert_allclose(image.T @ xt @ text, np.diag(r**3), atol=1e-5)
    narrow = maps(a, b, 1.0, dim=2)
    np.testing.assert_allclose(np.abs(narrow[0]), np.abs(image[:, :2]), atol=1e-5)
