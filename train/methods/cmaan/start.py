"""Where training begins: ridge regression of pooled features onto the classes' codes.

With X the scaled features of all sketches and images (N, D) and Y their classes as one-hot rows
(N, C) less their mean, W = (X'X / N + λI)⁻¹ X'Y / N; no text is asked. With W = U diag(s) V' the
map U diag(s) = W V differs by a rotation alone, which no cosine sees, and of its axes the last ones
can be left out: those on which the features differ least.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from zscr.train.methods.ridge import ridge

NORM = 6.0  # of the map, beside which an optimizer's steps are small; cosines do not see it


def code_map(
    rows: torch.Tensor, classes: torch.Tensor, count: int, penalty: float, dim: int
) -> torch.Tensor:
    """Return the map (D, dim) of rows (N, D) of these classes (N,), `count` in all.

    Args:
        rows: scaled to a mean square length of about 1, which the penalty λ stands beside.
        dim: of what it maps to; axes beyond `count` are 0.
    """
    rows, codes = rows.double(), functional.one_hot(classes, count).double()
    eye = torch.eye(rows.shape[1], dtype=rows.dtype, device=rows.device)
    cross = rows.T @ (codes - codes.mean(0)) / len(rows)
    weights = ridge(rows.T @ rows / len(rows) + penalty * eye, cross)
    axes, gains, _ = torch.linalg.svd(weights, full_matrices=False)
    kept = (axes * gains)[:, :dim]
    return functional.pad(kept * (NORM / kept.norm()), (0, dim - kept.shape[1])).float()
