"""The graph that re-ranks: kept where it helps on validation classes, traced, and proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx
import torch

from zscr.artefact import Stage
from zscr.errors import ArtefactError, ParityError
from zscr.export.parity import Tolerance, Vectors
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.runner import Runtime
from zscr.progress import say
from zscr.train.encoders.onnx import trace
from zscr.train.evaluation.reranking import spoken_choice
from zscr.train.evaluation.run_model import choose_of_run
from zscr.train.methods.contract import Head
from zscr.train.pairs import check_pair, pair_of, run_pair, without_pair
from zscr.train.run import Run

SIZES = (1, 2, 5)  # batches of images that it is proven at
QUERIES = 8  # at most, each with all sample images


@dataclass(frozen=True)
class PairParity:
    """How far onnxruntime's logits are from torch's.

    Attributes:
        max_abs: the largest difference, over all batch sizes; rms: root of the mean square of
            torch's logits.
        samples: number of pairs; batch_sizes: the images that a query was compared with at once.
    """

    max_abs: float
    rms: float
    samples: int
    batch_sizes: tuple[int, ...]


def kept_heads(
    run: Run,
    heads: Mapping[str, Head],
    settings: Mapping[str, Any],
    told: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Head], dict[str, Any]]:
    """Return the heads that are exported, and what the manifest says of re-ranking.

    Without the pair no tokens are computed: the gallery's graph, and so its space, is then that of
    a model without one.

    Args:
        run: of the heads; heads: all of them; settings: that they were made with.
        told: what was chosen before; None tries it on the validation classes.
    """
    check_pair(heads)
    if (found := pair_of(heads)) is None:
        return dict(heads), {}
    try:
        told = told or choose_of_run(run.folder, settings)
    except ArtefactError as error:  # an adapted run may have no weights from before its refit
        told = {"graph": found[0], "kept": False, "top": 1, "mix": 1.0, "gain": 0.0}
        told["why"] = str(error)
    say(spoken_choice(told))
    return dict(heads) if told["kept"] else without_pair(heads), {"reranking": dict(told)}


def write_pair(
    stage: Stage, name: str, head: Head, tokens: Mapping[str, tuple[str, Vectors]]
) -> dict[str, Any]:
    """Write the graph `<name>.onnx` into a stage; return its entry in the manifest.

    Args:
        head: of role `pair`.
        tokens: for each of its ports in order, graph -> (name of its output, samples (N, L, W)).

    Raises:
        ParityError: its logits differ from torch's.
    """
    path, output = stage.folder / f"{name}.onnx", f"{name}_logit"
    (first, asked), (second, found) = tokens.values()
    examples = {first: torch.from_numpy(asked[:1]), second: torch.from_numpy(found[[0, 0]])}
    onnx.save(trace(head.module, examples, output, dynamic={second: {0: "batch"}}), path)
    samples = {first: asked[:QUERIES], second: found}
    parity = prove_pair(name, head, OnnxRunner(path, Runtime()), samples)
    return {
        "role": head.role,
        "output": output,
        "inputs": [{"graph": graph, "names": [port]} for graph, (port, _) in tokens.items()],
        "variants": {"fp32": {"file": path.name, "parity": asdict(parity)}},
    }


def prove_pair(
    name: str, head: Head, runner: OnnxRunner, tokens: Mapping[str, Vectors]
) -> PairParity:
    """Compare each query's logits with torch's, over as many images at once as each size says.

    The tolerance is of numbers of the size of 1, so it is multiplied by the logits' where that is
    larger.

    Args:
        name: of the graph; head: what it was traced from; runner: of the graph.
        tokens: input -> samples (N, L, W), the query's first.

    Raises:
        ParityError: they differ by more.
    """
    (first, asked), (second, found) = tokens.items()
    expected = np.stack([run_pair(head, one, found) for one in asked])  # (Q, N)
    rms, worst = float(np.sqrt(np.square(expected).mean())), 0.0
    for size in SIZES:
        for query, row in zip(asked, expected, strict=True):
            places = np.arange(len(found) + -len(found) % size) % len(found)
            for some in np.split(places, len(places) // size):
                logits = runner.run({first: query[None], second: found[some]})[f"{name}_logit"]
                worst = float(np.maximum(worst, np.abs(logits - row[some]).max()))  # NaN stays
    allowed = Tolerance().max_abs * max(1.0, rms)
    if not worst <= allowed:
        raise ParityError(
            f"{name}.onnx differs from the trained model: its logits by {worst:.2g} (allowed "
            f"{allowed:.2g}); nothing was exported"
        )
    return PairParity(worst, rms, expected.size, SIZES)
