"""Channels that make one vector, which a single search answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zscr.infer.composed.batch import Batch
from zscr.infer.composition.affine import Scores, Vectors
from zscr.infer.composition.composition import Fusion
from zscr.infer.composition.fusion import weights_of

# Exported graphs agree with the models that they were made of to 2e-5: a sum that is not well above
# that is made of such differences, not of what was asked.
_LEAST = 1e-4


def summed(batch: Batch, channels: Sequence[Scores], fusion: Fusion) -> Scores:
    """Return the vectors (B, D) whose scores are the fused ones of the channels' rows (B, D) each.

    Slerp is of unit vectors; the others take the rows as they are, so that a text's difference to
    what it replaces counts as much as it is long.
    """
    rows = [_unit(one) if fusion.kind == "slerp" else one for one in channels]
    cosines = (rows[0] * rows[-1]).sum(axis=1)
    weights = weights_of(fusion, len(rows), cosines)
    total = np.zeros_like(rows[0])
    for channel, one in enumerate(rows):
        total += weights[:, [channel]] * one
    for place in batch.sound:
        if np.linalg.norm(total[place]) < _LEAST:
            batch.faults[place] = (
                f"the parts of query {batch.queries[place].id} cancel each other out, so that "
                f"nothing is asked for; change one or compose it otherwise"
            )
    return total


def unit_rows(batch: Batch, vectors: Scores) -> Vectors:
    """Return the unit rows of those queries that can be answered: (B', D) float32."""
    return _unit(vectors[batch.sound]).astype(np.float32)


def _unit(rows: Scores) -> Scores:
    unit: Scores = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit
