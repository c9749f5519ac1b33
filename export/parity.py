"""Proof that an exported graph computes what the trained model computes, on real samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zscr.data.records import Query
from zscr.errors import ParityError
from zscr.export.heads import DeployedHead
from zscr.infer.encoder import Encoder
from zscr.infer.features.table_names import field_of
from zscr.train.heads import run_head

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


def compare(
    deployed: DeployedHead, exported: Encoder, samples: Sequence[Query]
) -> tuple[tuple[Vectors, Vectors], Parity]:
    """Embed samples by torch and by the exported graph at every batch size.

    Args:
        deployed: the head and its encoders.
        exported: the graph.
        samples: queries that fill the graph's fields.

    Returns:
        The (N, D) embeddings of torch and of the largest batch size, and how far they differ.
    """
    expected = by_torch(deployed, samples)
    runs = run_sizes(exported, samples)
    return (expected, runs[-1][: len(samples)]), agreement(expected, runs)


def by_torch(deployed: DeployedHead, samples: Sequence[Query]) -> Vectors:
    """Return what the trained head makes of samples -> (N, …)."""
    return run_head(deployed.head, _features(deployed, samples), "cpu")


def run_sizes(exported: Encoder, samples: Sequence[Query]) -> list[Vectors]:
    """Run N samples in batches of each of `SIZES` -> for each (M, D), M at least N.

    The samples come again, in their order, until a batch of that size is filled.
    """
    runs = []
    for size in SIZES:
        rows = [samples[row % len(samples)] for row in range(max(len(samples), size))]
        runs.append(exported.encode(rows, batch_size=size))
    return runs


def agreement(expected: Vectors, runs: Sequence[Vectors]) -> Parity:
    """Compare unit rows (N, …, D) with those of every batch size, (M, …, D); see `run_sizes`."""
    pairs = [(found, repeated(expected, len(found))) for found in runs]
    return Parity(
        # numpy's extremes, unlike Python's, are NaN as soon as one embedding is
        max_abs=float(np.max([np.abs(found - wanted).max() for found, wanted in pairs])),
        min_cosine=float(np.min([(found * wanted).sum(-1).min() for found, wanted in pairs])),
        samples=len(expected),
        batch_sizes=SIZES,
    )


def repeated(rows: Vectors, count: int) -> Vectors:
    """Return `count` rows: these (N, D), and from their first on again."""
    return rows[np.arange(count) % len(rows)]


def _features(deployed: DeployedHead, samples: Sequence[Query]) -> list[Vectors]:
    """Return the rows of each port, by its frozen encoder alone or as they were given."""
    rows = []
    for port, encoder in deployed.ports:
        if encoder is None:
            rows.append(np.stack([query.vector for query in samples if query.vector is not None]))
        else:
            [field] = encoder.fields
            values = [getattr(query, field_of(port.name)) for query in samples]
            rows.append(encoder.encode(Query.of(field, values)))
    return rows


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


def require_parity(
    found: Mapping[str, Parity], overlaps: Mapping[str, float], tolerance: Tolerance
) -> None:
    """Refuse graphs that differ by more than the tolerance.

    Args:
        found: graph -> how far it differs.
        overlaps: query graph -> agreement on the top 10 (see `top_overlap`).
        tolerance: what is allowed.

    Raises:
        ParityError: names the graph and the figure.
    """
    for name, parity in found.items():
        if not (parity.max_abs <= tolerance.max_abs and parity.min_cosine >= tolerance.min_cosine):
            raise ParityError(
                f"{name}.onnx differs from the trained model: max abs {parity.max_abs:.2g} "
                f"(allowed {tolerance.max_abs:g}), cosine {parity.min_cosine:.6f} (at least "
                f"{tolerance.min_cosine:g}); nothing was exported"
            )
    for name, overlap in overlaps.items():
        if not overlap >= tolerance.min_overlap:  # NaN is refused, too
            raise ParityError(
                f"{name}.onnx agrees with the trained model on {overlap:.3f} of the top 10 "
                f"(at least {tolerance.min_overlap:g}); nothing was exported"
            )
