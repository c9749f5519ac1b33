"""E-steps over a gallery's unlabelled images: which latent does each of them have?

The latent that ZSCRGAN infers of a text is a representative image feature. Here it is found among
the gallery's own images, instead of imagined; the others keep what their neighbours say of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zscr.infer.encoder import Rows
from zscr.infer.evaluation.controls.control import unit

FEEDBACKS = 3  # times that a name's images are sought with the mean of those found before
FEEDBACK = 1.4  # weight of that mean beside the name's own score
SHARPNESS = 5.0  # of seen classes in their bias, and of names in a soft E-step
CONCENTRATION = 10.0  # of images around a name's mean image in a soft E-step
ROUNDS = 8  # of a soft E-step
NAMES = 64  # names whose scores of all images are held at once
BLOCK = 4096  # images whose scores of all names are held at once


@dataclass(frozen=True)
class View:
    """A gallery's N images as E-steps see them.

    Attributes:
        features: u, unit rows (N, I), by which images are compared with each other.
        mapped: P, unit rows (N, E), by which CSEM compares them with latents.
        diffused: Q, unit rows (N, E): P evened out over neighbours.
        bias: (N,) how much an image looks like a seen class; zeros where there are none of these.
    """

    features: Rows
    mapped: Rows
    diffused: Rows
    bias: Rows


def seen_bias(mapped: Rows, seen: Rows) -> Rows:
    """Return (N,) b = 1/5 log Σ_s exp(5 z_s · P) of images (N, E) and seen latents (S, E).

    A name's score is lowered by it, so that no image of a class that was trained on is taken for
    an unseen one that is merely like it.
    """
    return np.concatenate([_bias(block, seen) for block in _blocks(mapped)])


def _bias(mapped: Rows, seen: Rows) -> Rows:
    total = np.exp(SHARPNESS * mapped @ seen.T).sum(1)  # of exp(5) at most: nothing overflows
    biased: Rows = (np.log(total) / SHARPNESS).astype(np.float32)
    return biased


def k_best(view: View, asked: Rows, k: int) -> tuple[Rows, int]:
    """Give each name its k best images, and each of these the name's latent; the others keep Q.

    A name is sought by its score Q · asked - b, and three times more by that plus 1.4 u · m, where
    m is the mean image of the k that were best before. An image that several names claim goes to
    the one with the higher score.

    Args:
        view: the gallery.
        asked: latents of the names, unit rows (M, E).
        k: images a name, at most N.

    Returns:
        Targets (N, E), and how many of them are a name's latent.
    """
    parts = [_found(view, asked[start : start + NAMES], k) for start in range(0, len(asked), NAMES)]
    found, scores = (np.concatenate(part).ravel() for part in zip(*parts, strict=True))
    # numpy keeps the last of several values for one place: the best score, of equals the first.
    order = np.argsort(-scores, kind="stable")[::-1]
    owner = np.full(len(view.features), -1)
    owner[found[order]] = order // k
    given = owner >= 0
    return np.where(given[:, None], asked[owner], view.diffused), int(given.sum())


def _found(view: View, asked: Rows, k: int) -> tuple[npt.NDArray[np.int64], Rows]:
    """Return the k best images of a few names, and their scores: (M, k) twice."""
    scores = alone = asked @ view.diffused.T - view.bias
    for _ in range(FEEDBACKS):
        means = unit(view.features[_best(scores, k)].mean(1))
        scores = alone + FEEDBACK * (means @ view.features.T)
    best = _best(scores, k)
    return best, np.take_along_axis(scores, best, 1)


def _best(scores: Rows, k: int) -> npt.NDArray[np.int64]:
    return np.argpartition(-scores, k - 1, axis=1)[:, :k]


def soft(view: View, asked: Rows) -> Rows:
    """Share each image out among all names, whose list is complete, and mix their latents so.

    Eight times: the logit of name c for image i is 5 asked_c · P_i + 10 m_c · u_i (the second part
    from the second time on), r its softmax over the names, m_c the direction of Σ_i r_ci u_i. That
    is EM for a mixture of von Mises-Fisher distributions (Banerjee et al., JMLR 2005), whose
    priors are the texts.

    Args:
        view: the gallery.
        asked: latents of the names, unit rows (M, E).

    Returns:
        Targets (N, E), Σ_c r_ci asked_c: the shorter, the less sure.
    """
    means = np.zeros((len(asked), view.features.shape[1]), np.float32)
    for _ in range(ROUNDS):
        sums = np.zeros(means.shape)
        for mapped, features in zip(_blocks(view.mapped), _blocks(view.features), strict=True):
            sums += _shares(mapped, features, asked, means).T @ features
        means = unit(sums)
    blocks = zip(_blocks(view.mapped), _blocks(view.features), strict=True)
    return np.concatenate([_shares(*block, asked, means) @ asked for block in blocks])


def _shares(mapped: Rows, features: Rows, asked: Rows, means: Rows) -> Rows:
    """Return r (B, M) of a block of images."""
    logits = SHARPNESS * (mapped @ asked.T) + CONCENTRATION * (features @ means.T)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    found: Rows = shares / shares.sum(1, keepdims=True)
    return found


def _blocks(rows: Rows) -> list[Rows]:
    return [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
