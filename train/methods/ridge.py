"""Ridge regression in closed form, on the device."""

from __future__ import annotations

import torch


def ridge(penalised: torch.Tensor, cross: torch.Tensor) -> torch.Tensor:
    """Return the weights W (D, K) that minimise |X W - Y|² + tr(Wᵀ P W), without waiting for them.

    Args:
        penalised: XᵀX + P (D, D), of inputs X (N, D) and a penalty P (D, D).
        cross: XᵀY (D, K), of targets Y (N, K).
    """
    factor, _ = torch.linalg.cholesky_ex(penalised)  # `cholesky` itself waits for the device
    return torch.cholesky_solve(cross, factor)
