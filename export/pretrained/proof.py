"""Proof that a pretrained model's graphs embed as its authors' code does, on hard samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zscr.data.records import Query
from zscr.errors import ParityError
from zscr.export.parity import (
    Parity,
    Tolerance,
    Vectors,
    agreement,
    repeated,
    require_parity,
    run_sizes,
)
from zscr.infer.encoder import Encoder
from zscr.train.pretrained.dual import Reference
from zscr.train.pretrained.samples import TEXTS, images


@dataclass(frozen=True)
class Projected:
    """How far the rows before their normalisation are from the reference's.

    Attributes:
        max_abs: largest difference of a component, over all batch sizes.
        rms: root of the mean square of the reference's components.
    """

    max_abs: float
    rms: float


@dataclass(frozen=True)
class Proof:
    """What was measured of one graph: its unit rows, and the rows that it projects."""

    embedding: Parity
    projected: Projected


def prove(encoders: Mapping[str, Encoder], reference: Reference) -> dict[str, Proof]:
    """Compare graphs with the reference on texts and images that were made to be hard.

    Args:
        encoders: graph -> it, with its rows (N, 2 D): unit ones, and those projected.
        reference: the authors' code.

    Raises:
        ParityError: a graph differs by more than the tolerance.
    """
    expected = {"text": reference.texts(TEXTS), "image": reference.images(images())}
    samples = {"text": Query.of("text", TEXTS), "image": Query.of("image", images())}
    proofs = {}
    for name, encoder in encoders.items():
        [field] = encoder.fields
        proofs[name] = _measure(name, expected[field], run_sizes(encoder, samples[field]))
    require_parity({name: proof.embedding for name, proof in proofs.items()}, {}, Tolerance())
    return proofs


def prove_composed(encoder: Encoder, prompts: Sequence[str], expected: Vectors) -> Proof:
    """Compare the graph of an image in a sentence with rows (N, D) of the authors' code.

    Args:
        prompts: N texts; the n-th is asked with the n-th sample image, which come again.

    Raises:
        ParityError: it differs by more than the tolerance.
    """
    samples = images()
    asked = [
        Query(str(number), text=text, image=samples[number % len(samples)])
        for number, text in enumerate(prompts)
    ]
    proof = _measure(encoder.name, expected, run_sizes(encoder, asked))
    require_parity({encoder.name: proof.embedding}, {}, Tolerance())
    return proof


def _measure(name: str, expected: Vectors, runs: Sequence[Vectors]) -> Proof:
    """Measure one graph; refuse projected rows that differ.

    The tolerance is of a component, and of numbers of the size of 1: what float32 rounds off grows
    with the numbers, so it is multiplied by their root mean square where that is above 1.
    """
    dim, allowed = expected.shape[1], Tolerance().max_abs
    if runs[0].shape[1] != 2 * dim:
        raise ParityError(
            f"{name}.onnx projects to {runs[0].shape[1] // 2} numbers, the authors' code to {dim}; "
            f"nothing was exported"
        )
    rows = [(found[:, dim:], repeated(expected, len(found))) for found in runs]
    projected = Projected(
        max_abs=float(np.max([np.abs(found - wanted).max() for found, wanted in rows])),
        rms=float(np.sqrt(np.square(expected).mean())),
    )
    if not projected.max_abs <= allowed * max(1.0, projected.rms):
        raise ParityError(
            f"{name}.onnx differs from the authors' code: its rows before the normalisation by "
            f"{projected.max_abs:.2g} (allowed {allowed * max(1.0, projected.rms):.2g}); nothing "
            f"was exported"
        )
    unit = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    return Proof(agreement(unit, [found[:, :dim] for found in runs]), projected)
