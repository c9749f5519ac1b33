"""A channel asked again with the images that it found, and with itself (BASIC).

With the centred rows y_i of the best images and their scores s_i, the query's own row first with
s = 1, the next query is Σ w_i y_i, w = softmax(β s). β is small, so the weights are nearly even.
"""

from __future__ import annotations

import numpy as np

from zscr.infer.composition.affine import Numbers, Scores


def expanded(query: Numbers, found: Numbers, scores: Numbers, sharpness: float) -> Scores:
    """Return the weighted mean (D,), not projected.

    Args:
        query: centred (D,); found: centred rows (K, D) of the best images, K any number.
        scores: (K,) of these, unnormalised.
        sharpness: β.
    """
    rows = np.concatenate([np.asarray(query, np.float64)[None], np.asarray(found, np.float64)])
    raised = np.exp(sharpness * (np.append(1.0, scores) - 1.0))  # a common factor changes nothing
    mean: Scores = (raised / raised.sum()) @ rows
    return mean
