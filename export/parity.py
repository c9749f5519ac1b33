"""Proof that an exported graph computes what the trained model computes, on real samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from zscr.errors import ParityError
from zscr.export.heads import Side
from zscr.infer.encoder import Encoder

Vectors = npt.NDArray[np.float32]
TIE = 1e-6  # float32 scores that are closer than this are one score
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
    rows = [row % len(values) for row in range(max(len(values), *SIZES))]  # each size is filled
    repeated = values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]
    runs = [exported.encode(repeated, batch_size=size) for size in SIZES]
    wanted = expected[rows]
    parity = Parity(
        # numpy's extremes, unlike Python's, are NaN as soon as one embedding is
        max_abs=float(np.max([np.abs(found - wanted) for found in runs])),
        min_cosine=float(np.min([(found * wanted).sum(1) for found in runs])),
        samples=len(values),
        batch_sizes=SIZES,
    )
    return (expected, runs[-1][: len(values)]), parity


def top_overlap(
    queries: tuple[Vectors, Vectors], gallery: tuple[Vectors, Vectors], k: int = 10
) -> float:
    """Return the mean share of the graphs' k nearest samples that are torch's k nearest, too.

    A sample that torch scores like its k-th nearest counts: either may stand for the other.
    """
    expected, found = (q @ g.T for q, g in zip(queries, gallery, strict=True))
    nearest = np.argsort(-found, axis=1, kind="stable")[:, :k]
    least = -np.sort(-expected, axis=1)[:, :k][:, -1:]  # torch's score of its k-th
    return float(np.mean(np.take_along_axis(expected, nearest, 1) >= least - TIE))


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
    if not overlap >= tolerance.min_overlap:  # NaN is refused, too
        raise ParityError(
            f"the exported graphs agree with the trained model on {overlap:.3f} of the top 10 "
            f"(at least {tolerance.min_overlap:g}); nothing was exported"
        )


def as_json(found: dict[str, Parity], overlap: float, tolerance: Tolerance) -> dict[str, Any]:
    """Return the proof as the manifest keeps it."""
    sides = {side: asdict(parity) for side, parity in found.items()}
    return {**sides, "top10_overlap": overlap, "tolerance": asdict(tolerance)}
