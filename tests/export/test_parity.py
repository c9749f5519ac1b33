"""The proof of parity finds what differs, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx.parser
import pytest
from torch import nn

from zscr.data.records import Query
from zscr.errors import ParityError
from zscr.export.heads import DeployedHead
from zscr.export.parity import SIZES, Parity, Tolerance, compare, require_parity, top_overlap
from zscr.infer.encoder import Encoder
from zscr.train.methods.contract import Head, Port

VECTORS = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]]


def unit(rows: int, seed: int = 0) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal((rows, 16)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def compared(tmp_path: Path, body: str) -> Parity:
    """Compare the identity of torch with a graph of the given nodes from x to y."""
    model = onnx.parser.parse_model(f"""<ir_version: 10, opset_import: ["": 18]>
        graph (float[batch, 4] image_vector) => (float[batch, 4] gallery_embedding)
        <int64[1] zero = {{0}}> {{ {body} }}""")
    onnx.save(model, tmp_path / "x.onnx")
    head = Head(nn.Identity(), (Port("image"),), "gallery")
    deployed = DeployedHead("gallery", head, (None,), ((4,),))
    output = "gallery_embedding"
    graph = Encoder(tmp_path / "x.onnx", deployed.specs, output=output, name="x", sha256="")
    (expected, found), parity = compare(deployed, graph, Query.of("vector", VECTORS))
    np.testing.assert_array_equal(expected, VECTORS)
    assert expected.shape == found.shape == VECTORS.shape
    assert parity.batch_sizes == SIZES == (1, 3, 8, 64)
    assert parity.samples == 5
    return parity


# The batch size as a number, for graphs that are wrong for some batches only.
BATCH = """shape = Shape <start = 0, end = 1> (image_vector)
           count = Cast <to = 1> (shape)"""


def test_an_equal_graph_differs_by_nothing(tmp_path: Path) -> None:
    """Identity against identity: 0, and a cosine of 1."""
    parity = compared(tmp_path, "gallery_embedding = Identity (image_vector)")
    assert (parity.max_abs, parity.min_cosine) == (0.0, 1.0)
    require_parity({"gallery": parity}, {}, Tolerance())


def test_one_wrong_component_is_found(tmp_path: Path) -> None:
    """The largest difference and the smallest cosine are those of the worst sample."""
    parity = compared(
        tmp_path,
        """scale = Constant <value = float[1, 4] {1, 1, 0.5, 1}> ()
           gallery_embedding = Mul (image_vector, scale)""",
    )
    assert (parity.max_abs, parity.min_cosine) == (0.5, 0.5)
    with pytest.raises(
        ParityError, match=r"gallery.onnx differs .* max abs 0.5 \(allowed 0.0001\)"
    ):
        require_parity({"gallery": parity}, {}, Tolerance())


@pytest.mark.parametrize("size", [3, 8, 64])
def test_a_graph_that_is_wrong_for_one_batch_size_is_found(tmp_path: Path, size: int) -> None:
    """Though there are only five samples, every batch size is really run."""
    parity = compared(
        tmp_path,
        f"""{BATCH}
        wrong = Constant <value = float[1] {{{size}}}> ()
        equal = Equal (count, wrong)
        added = Cast <to = 1> (equal)
        gallery_embedding = Add (image_vector, added)""",
    )
    assert parity.max_abs == 1.0


def test_nan_in_the_last_batch_size_is_found(tmp_path: Path) -> None:
    """NaN is smaller and larger than nothing, so a plain maximum would pass it over."""
    parity = compared(
        tmp_path,
        f"""{BATCH}
        limit = Constant <value = float[1] {{8}}> ()
        below = Sub (limit, count)
        root = Sqrt (below)
        nought = Constant <value = float[1] {{0}}> ()
        nothing = Mul (root, nought)
        gallery_embedding = Add (image_vector, nothing)""",
    )
    assert np.isnan(parity.max_abs)
    assert np.isnan(parity.min_cosine)
    with pytest.raises(ParityError, match="differs from the trained model: max abs nan"):
        require_parity({"gallery": parity}, {}, Tolerance())


@pytest.mark.parametrize(
    ("max_abs", "cosine", "overlap", "message"),
    [
        (1e-4, 0.9999, 0.99, None),
        (1.1e-4, 1.0, 1.0, "text.onnx differs .* max abs 0.00011"),
        (0.0, 0.9998, 1.0, r"cosine 0.999800 \(at least 0.9999\)"),
        (0.0, 1.0, 0.98, "text.onnx agrees with the trained model on 0.980 of the top 10"),
        (0.0, 1.0, float("nan"), "text.onnx agrees with the trained model on nan of the top 10"),
    ],
)
def test_tolerances(max_abs: float, cosine: float, overlap: float, message: str | None) -> None:
    """Each figure has its own bound; the message names the graph, the figure and the bound."""
    found = {"gallery": Parity(0.0, 1.0, 5, SIZES), "text": Parity(max_abs, cosine, 5, SIZES)}
    overlaps = {"composed": 1.0, "text": overlap}
    if message is None:
        require_parity(found, overlaps, Tolerance())
        return
    with pytest.raises(ParityError, match=message):
        require_parity(found, overlaps, Tolerance())


def test_the_tolerance_is_the_one_that_is_given() -> None:
    """What the usual one refuses, a wider one lets pass, and the other way round."""
    found, wide = {"text": Parity(0.01, 0.99, 5, SIZES)}, Tolerance(0.1, 0.9, 0.5)
    require_parity(found, {"text": 0.6}, wide)
    with pytest.raises(ParityError, match=r"allowed 0.001\)"):
        require_parity(found, {"text": 0.6}, Tolerance(0.001, 0.9, 0.5))
    with pytest.raises(ParityError, match="of the top 10"):
        require_parity(found, {"text": 0.6}, Tolerance(0.1, 0.9, 0.7))


def test_overlap_by_hand() -> None:
    """Of the two nearest, the first query's agree in one, the second's in both."""
    gallery = np.eye(4, dtype=np.float32)
    torchs = np.array([[4, 3, 2, 1], [4, 3, 2, 1]], np.float32)
    graphs = np.array([[4, 1, 3, 2], [3, 4, 2, 1]], np.float32)
    assert top_overlap((torchs, graphs), (gallery, gallery), k=2) == 0.75
    assert top_overlap((torchs, torchs), (gallery, gallery), k=10) == 1.0


def test_overlap_does_not_mind_the_order_of_ties() -> None:
    """Copies of one image, scored alike but for rounding, may stand for one another."""
    gallery = np.repeat(unit(8), 8, axis=0)  # the 10th and the 11th nearest are always copies
    noise = np.random.default_rng(1).standard_normal((2, *gallery.shape)).astype(np.float32)
    queries, pair = unit(50, seed=2), (gallery + 2e-8 * noise[0], gallery + 2e-8 * noise[1])
    tops = [np.argsort(-(queries @ g.T), axis=1, kind="stable")[:, :10] for g in pair]
    assert any(set(a) != set(b) for a, b in zip(*tops, strict=True))
    assert top_overlap((queries, queries), pair) == 1.0
    other = unit(64, seed=5)
    assert top_overlap((queries, queries), (gallery, other)) < 0.5
