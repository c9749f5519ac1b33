"""The proof fails for what it is there for: each mistake alone, on a graph or on how it is fed.

A graph and the authors' code are compared, so a mistake shows whichever of the two it is made in:
models are changed on the side of the reference, which costs no tracing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.export.pretrained.conftest import Exported
from zscr.errors import ParityError
from zscr.export.pretrained.proof import prove
from zscr.infer.encoder import Encoder
from zscr.train.pretrained.dual import DualEncoder, Published, Rows, rows_of
from zscr.train.pretrained.folder import open_dual


def encoders(made: Exported, changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Encoder]:
    """Open a bundle's graphs as the proof does, with changes of how each is fed."""
    return {
        name: Encoder(
            made.bundle.folder / f"{name}.onnx",
            [{**graph["inputs"][0], **changes.get(name, {})}],
            output=f"{name}_embedding",
            beside=f"{name}_projected",
            name=name,
            sha256="",
        )
        for name, graph in made.bundle.graphs.items()
    }


def changed(source: Path, out: Path, name: str, **settings: Any) -> DualEncoder:
    """Load a checkpoint whose configuration says something else of a tower."""
    shutil.copytree(source, out)
    config = json.loads((out / "config.json").read_text())
    config[name] |= settings
    (out / "config.json").write_text(json.dumps(config))
    return open_dual(out)


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_a_right_graph_is_proven_again(exported: Callable[[str], Exported], family: str) -> None:
    """What the others fail by is their mistake."""
    made = exported(family)
    proofs = prove(encoders(made, {}), open_dual(made.source).reference)
    assert all(proof.projected.max_abs < 1e-5 for proof in proofs.values())


@pytest.mark.parametrize(
    ("family", "tower", "settings", "graph"),
    [
        ("clip", "text_config", {"hidden_act": "gelu"}, "text"),
        ("clip", "vision_config", {"hidden_act": "gelu"}, "gallery"),
        ("siglip", "vision_config", {"hidden_act": "gelu"}, "gallery"),
        ("clip", "text_config", {"eos_token_id": 3}, "text"),  # no text has it: the first is pooled
        ("clip", "vision_config", {"layer_norm_eps": 0.1}, "gallery"),
    ],
)
def test_another_activation_or_position_fails(
    exported: Callable[[str], Exported],
    tmp_path: Path,
    family: str,
    tower: str,
    settings: dict[str, Any],
    graph: str,
) -> None:
    """The graph and the checkpoint's configuration are of two minds."""
    made = exported(family)
    other = changed(made.source, tmp_path / "other", tower, **settings)
    with pytest.raises(ParityError, match=f"{graph}.onnx differs"):
        prove(encoders(made, {}), other.reference)


class _FirstPlace(Published):
    def texts(self, texts: Sequence[str]) -> Rows:
        tower = self.model.text_model
        states = (tower(**self.tokens.tensors(text)).last_hidden_state for text in texts)
        return rows_of(tower.head(one[:, 0]) for one in states)


def test_siglip_pooled_elsewhere_fails(exported: Callable[[str], Exported]) -> None:
    """It pools the last place, which padding fills, and not the first."""
    made = exported("siglip")
    reference = open_dual(made.source).reference
    assert isinstance(reference, Published)
    elsewhere = _FirstPlace(reference.model, reference.tokens, reference.pixels)
    with pytest.raises(ParityError, match=r"text\.onnx differs"):
        prove(encoders(made, {}), elsewhere)


RESIZED: dict[str, dict[str, Any]] = {
    "filter": {"resample": "bilinear"},
    "to the square": {"resize_shorter_side": None},
    "larger crop": {"resize_shorter_side": 36},
    "mean": {"mean": [0.5, 0.5, 0.5]},
    "range": {"rescale": 1 / 127.5},
}


@pytest.mark.parametrize("change", RESIZED.values(), ids=RESIZED)
def test_other_pixels_fail(exported: Callable[[str], Exported], change: dict[str, Any]) -> None:
    """Images are shaped, filtered and scaled as the family's processor does it."""
    made = exported("clip")
    how = made.bundle.graphs["gallery"]["inputs"][0]["preprocess"]
    fed = encoders(made, {"gallery": {"preprocess": {**how, **change}}})
    with pytest.raises(ParityError, match=r"gallery\.onnx differs"):
        prove(fed, open_dual(made.source).reference)


def test_other_padding_fails(exported: Callable[[str], Exported], tmp_path: Path) -> None:
    """SigLIP's texts padded with another id."""
    made = exported("siglip")
    written = json.loads((made.bundle.folder / "tokenizer.json").read_text())
    written["padding"]["pad_id"] = 3
    (tmp_path / "other.json").write_text(json.dumps(written))
    fed = encoders(made, {"text": {"tokenizer": str(tmp_path / "other.json")}})
    with pytest.raises(ParityError, match=r"text\.onnx differs"):
        prove(fed, open_dual(made.source).reference)


def test_texts_cut_elsewhere_fail(exported: Callable[[str], Exported]) -> None:
    """A long text keeps as many tokens as the tokenizer of the family keeps."""
    made = exported("clip")
    with pytest.raises(ParityError, match=r"text\.onnx differs"):
        prove(encoders(made, {"text": {"max_length": 19}}), open_dual(made.source).reference)


def test_another_or_no_projection_fails(exported: Callable[[str], Exported]) -> None:
    """Of the same width, or of the tower's own."""
    made = exported("clip")
    dual = open_dual(made.source)
    assert isinstance(dual.reference, Published)
    model = dual.reference.model
    model.text_projection.weight.data = model.text_projection.weight.flip(0)
    with pytest.raises(ParityError, match=r"text\.onnx differs"):
        prove(encoders(made, {}), dual.reference)
    model.text_projection = torch.nn.Identity()
    with pytest.raises(ParityError, match=r"text\.onnx projects to 24 numbers, .* to 32"):
        prove(encoders(made, {}), replace(dual.reference, model=model))


def test_rows_of_another_length_fail(exported: Callable[[str], Exported]) -> None:
    """Which unit rows cannot tell: the projection is a thousandth larger."""
    made = exported("clip")
    dual = open_dual(made.source)
    assert isinstance(dual.reference, Published)
    dual.reference.model.visual_projection.weight.data *= 1.001
    with pytest.raises(ParityError, match=r"gallery\.onnx differs .* before the normalisation"):
        prove(encoders(made, {}), dual.reference)


def test_rows_that_are_no_numbers_fail(exported: Callable[[str], Exported]) -> None:
    """NaN is above no tolerance."""
    made = exported("clip")
    dual = open_dual(made.source)
    assert isinstance(dual.reference, Published)
    dual.reference.model.visual_projection.weight.data[0] = torch.nan
    with pytest.raises(ParityError, match=r"gallery\.onnx differs"):
        prove(encoders(made, {}), dual.reference)
