"""A graph cut in two: at the right places, and both halves together are the whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from tests.train.vision.networks import NETWORK, narrowed, network, save
from zscr.data.collection import read_collection
from zscr.errors import InputError
from zscr.export.heads import build_graph, deployed_heads
from zscr.infer.encoder import load_encoder
from zscr.infer.features.split import load_split
from zscr.train.encoders.onnx import run_bytes
from zscr.train.heads import run_head
from zscr.train.methods.contract import Head, Need, Port
from zscr.train.vision.backbone import open_backbone
from zscr.train.vision.cuts import cuts_of, inferred
from zscr.train.vision.upper import Upper

# Neither `inner`, `bounded` nor `gate`: a residual, or the map itself, leads around them.
MAPS = ["stem", "scaled", "first", "summed", "block", "halved", "wide", "last"]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((5, 3, 32, 32)).astype(np.float32)


def test_cuts_are_where_nothing_leads_around(small_network: Path) -> None:
    """Also where the graph asks the pixels how many images there are."""
    cuts = cuts_of(inferred(onnx.load(small_network / "model.onnx")))
    assert [cut.tensor for cut in cuts if cut.is_map] == MAPS
    assert cuts[-1].tensor == "pooled"


def test_a_stage_is_cut_at_its_end(small_network: Path) -> None:
    """`stem` is the first map that is small enough, and `block` the last one of its shape."""
    upper = open_backbone(str(small_network), "upper")
    assert isinstance(upper, Upper)
    assert (upper.cut.tensor, upper.cut.shape) == ("block", (8, 16, 16))


@pytest.mark.parametrize("cut", ["stem", "summed", "wide"])
def test_both_halves_are_the_whole(cut: str, small_network: Path, pixels: np.ndarray) -> None:
    """By the rows themselves up to 16 bits, and without that rounding up to 1e-5."""
    upper = open_backbone(str(small_network), "upper", cut=cut)
    whole = load_encoder(small_network).run({"pixels": pixels})
    rows = load_encoder(upper.encoder()).run({"pixels": pixels})
    with torch.no_grad():
        states = upper.tower()(torch.from_numpy(rows))
    assert rows.dtype == np.float16
    assert np.abs(states.pooled.numpy() - whole).max() < 2e-3 * np.abs(whole).max()
    assert torch.allclose(states.tokens.mean(1), states.pooled, atol=1e-5)
    assert isinstance(upper, Upper)
    assert upper.parity() < 1e-5 * max(1, np.abs(whole).max())


@pytest.mark.parametrize(
    "pooling",
    [
        "MaxPool <kernel_shape = [3, 2], strides = [2, 1], pads = [1, 1, 0, 0]>",
        "AveragePool <kernel_shape = [3, 2], strides = [1, 2]>",
        "LeakyRelu <alpha = 0.3>",
    ],
)
def test_networks_pool_in_windows(pooling: str, tmp_path: Path) -> None:
    """As ResNets do, and where a map is nowhere above 0, so that no padding is the largest."""
    text = NETWORK.replace("Relu (halved)", f"{pooling} (below)")
    text = text.replace("    wide =", "    below = Sub (halved, far)\n    wide =")
    text = text.replace("float low", "float far = {9}, float low")
    folder = save(tmp_path / "pooling", network(text))
    upper = open_backbone(str(folder), "upper", cut="below")
    assert isinstance(upper, Upper)
    assert upper.parity() < 1e-5 * 9


class Pooled(nn.Module):
    """A tower's pooled state and the mean of its tokens, side by side."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        states = self.tower(rows)
        return torch.cat([states.pooled, states.tokens[:, -1]], 1)


@pytest.mark.parametrize("kind", ["frozen", "upper", "tokens"])
def test_an_exported_tower_is_the_trained_one(
    kind: str, small_network: Path, pixels: np.ndarray
) -> None:
    """Of 1, 2 and 5 images, behind its encoder."""
    backbone = open_backbone(str(small_network), kind)
    encoder, module = load_encoder(backbone.encoder()), Pooled(backbone.tower()).eval()
    head = Head(module, (Port("sketch"),), "query")
    [deployed] = deployed_heads(
        {"sketch": head}, {"sketch": encoder}, {"sketch": encoder.row_shape}
    )
    graph = build_graph(deployed)
    for count in (1, 2, 5):
        feeds = {"pixels": pixels[:count]}
        with torch.no_grad():
            expected = module(torch.from_numpy(encoder.run(feeds))).numpy()
        assert np.abs(run_bytes(graph, feeds) - expected).max() < 1e-5


def test_maps_stay_of_16_bits_from_the_store_to_the_head(
    small_network: Path, scenes: Path, tmp_path: Path
) -> None:
    """And a table's embeddings are those of its rows, however they are cut into blocks."""
    backbone = open_backbone(str(small_network), "upper")
    encoder, tower = load_encoder(backbone.encoder()), Pooled(backbone.tower()).eval()
    need = Need("image", encoder=lambda _: backbone.encoder())
    collection = read_collection(scenes)
    stored = [
        load_split(collection, "seen", [need], {"image": encoder}, tmp_path)["image"]
        for _ in range(2)
    ]
    for table in stored:
        assert (table.rows.dtype, table.rows.shape) == (np.float16, (24, 8, 16, 16))
    assert np.array_equal(stored[0].rows, stored[1].rows)
    rows = np.concatenate([stored[0].rows] * 50)  # of 2,048 numbers: more than one block
    found = run_head(Head(tower, (Port("image"),), "gallery"), [rows], "cpu")
    with torch.no_grad():
        expected = tower(torch.from_numpy(stored[0].rows)).numpy()
    assert np.abs(found - np.concatenate([expected] * 50)).max() < 1e-5


def test_everything_behind_the_cut_learns(small_network: Path, pixels: np.ndarray) -> None:
    """And a batch in training is computed as one that is not: no statistics move."""
    backbone = open_backbone(str(small_network), "upper", cut="stem")
    tower, rows = backbone.tower(), load_encoder(backbone.encoder()).run({"pixels": pixels})
    trained = tower.train()(torch.from_numpy(rows)).pooled
    trained.square().sum().backward()
    assert all(part.grad is not None and part.grad.any() for part in tower.parameters())
    assert torch.equal(tower.eval()(torch.from_numpy(rows)).pooled, trained)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("Relu (halved)", "Softplus (halved)"), "operator Softplus"),
        (
            lambda text: text.replace(
                "<strides = [2, 2], pads = [0, 0, 1, 1], kernel_shape = [3, 3]> (block",
                '<auto_pad = "SAME_UPPER", kernel_shape = [3, 3]> (block',
            ),
            "'halved' by the operator Conv",
        ),
        (
            lambda text: text.replace("(block, w2)", "(block, w9)").replace(
                "halved =", "w9 = Identity (w2)\n halved ="
            ),
            "'halved' by the operator Conv",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(
    change: Callable[[str], str], said: str, tmp_path: Path
) -> None:
    assert change(NETWORK) != NETWORK
    folder = save(tmp_path / "strange", network(change(NETWORK)))
    with pytest.raises(InputError, match=said):
        open_backbone(str(folder), "upper").tower()


def test_a_place_that_is_none_is_refused_by_those_that_are(small_network: Path) -> None:
    with pytest.raises(InputError, match=r"no map 'bounded' .* 'block' \(8x16x16\), 'last'"):
        open_backbone(str(small_network), "upper", cut="bounded")
    with pytest.raises(InputError, match="nothing behind 'last' of small-network can be trained"):
        open_backbone(str(small_network), "upper", cut="last").tower()


def test_what_a_graph_is_no_backbone_for_is_refused(small_network: Path, tmp_path: Path) -> None:
    """By what it can be instead."""
    narrow = narrowed(tmp_path / "narrow")
    with pytest.raises(InputError, match="16 channels and its features are of 10 .* set 'tokens'"):
        open_backbone(str(narrow), "upper").tower()
    other = shutil.copytree(small_network, tmp_path / "other")
    (other / "config.json").write_text('{"model_type": "mobilenet_v2"}')  # beside its graph
    for folder in (small_network, other):
        with pytest.raises(InputError, match="is an ONNX graph, and 'whole' .* set 'upper' in"):
            open_backbone(str(folder), "whole")


@pytest.mark.realdata
def test_mobilenet_is_cut_where_its_maps_begin_to_be_small(
    realdata_folder: Callable[[str], Path],
) -> None:
    """The fact sheet's cut and number of weights, and parity on noise."""
    upper = open_backbone(str(realdata_folder("mobilenet_v2")), "upper")
    assert isinstance(upper, Upper)
    assert (upper.cut.tensor, upper.cut.shape) == ("clamp_35", (64, 14, 14))
    tower = upper.tower()
    assert sum(one.numel() for one in tower.parameters()) == 1_972_160
    assert (tower.width, tower.side) == (1280, 7)
    assert upper.parity() < 3e-5  # of features up to 5.4
