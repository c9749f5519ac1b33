"""Proof that an exported graph computes what the trained model computes, on real samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from zscr.errors import ParityError
from zscr.export.graphs import Side
from zscr.infer.encoder import Encoder

Vectors = npt.NDArray[np.float32]
SIZES = (1, 3, 8, 64)  # a graph traced at one batch size must serve every other


@dataclass(frozen=True)
class Tolerance:
    """What an exported graph may differ by and still be called the same model."""

    max_abs: float = 1e-4
    min_cosine: float = 0.9999
    min_overlap: float = 0.99


@dataclass(frozen=True)
class Parity:
    """How far onnxruntime's embeddings are from torch's.

    Attributes:
        max_abs: largest difference of a component, over all batch sizes.
        min_cosine: smallest cosine between two embeddings of one sample.
        samples: number of samples; batch_sizes: the batches they were run in.
    """

    max_abs: float
    min_cosine: float
    samples: int
    batch_sizes: tuple[int, ...]


def compare(side: Side, exported: Encoder, values: Sequence[Any] | Vectors) -> tuple[Any, Any]:
    """Embed samples by torch and by the exported graph at every batch size.

    Returns:
        The two (N, D) arrays of the largest batch size, and a `Parity`, as
        `(expected, found), parity`.
    """
    features = side.encoder.encode(values) if side.encoder else np.asarray(values)
    with torch.no_grad():
        expected = side.encode(torch.from_numpy(features)).numpy()
    runs = [exported.encode(values, batch_size=size) for size in SIZES]
    parity = Parity(
        max_abs=max(float(np.abs(found - expected).max()) for found in runs),
        min_cosine=min(float((found * expected).sum(1).min()) for found in runs),
        samples=len(values),
        batch_sizes=SIZES,
    )
    return (expected, runs[-1]), parity


def top_overlap(
    queries: tuple[Vectors, Vectors], gallery: tuple[Vectors, Vectors], k: int = 10
) -> float:
    """Return the mean share of the k nearest samples that torch and the graphs agree on."""
    tops = [
        np.argsort(-(q @ g.T), axis=1, kind="stable")[:, :k]
        for q, g in zip(queries, gallery, strict=True)
    ]
    shared = [len(set(a) & set(b)) / len(a) for a, b in zip(*tops, strict=True)]
    return float(np.mean(shared))


def require_parity(found: dict[str, Parity], overlap: float, tolerance: Tolerance) -> None:
    """Refuse graphs that differ by more than the tolerance.

    Raises:
        ParityError: names the side and the figure.
    """
    for side, parity in found.items():
        if not (parity.max_abs <= tolerance.max_abs and parity.min_cosine >= tolerance.min_cosine):
            raise ParityError(
                f"{side}.onnx differs from the trained model: max abs {parity.max_abs:.2g} "
                f"(allowed {tolerance.max_abs:g}), cosine {parity.min_cosine:.6f} (at least "
                f"{tolerance.min_cosine:g}); nothing was exported"
            )
    if overlap < tolerance.min_overlap:
        raise ParityError(
            f"the exported graphs agree with the trained model on {overlap:.3f} of the top 10 "
            f"(at least {tolerance.min_overlap:g}); nothing was exported"
        )


def as_json(found: dict[str, Parity], overlap: float, tolerance: Tolerance) -> dict[str, Any]:
    """Return the proof as the manifest keeps it."""
    sides = {side: asdict(parity) for side, parity in found.items()}
    return {**sides, "top10_overlap": overlap, "tolerance": asdict(tolerance)}
