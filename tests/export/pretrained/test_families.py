"""Every family, really exported: its bundle embeds as transformers does, whatever the batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from tests.checkpoints import SAVE
from tests.export.pretrained.conftest import Exported
from tests.export.test_opsets import require_each_once
from zscr.data.records import Query
from zscr.infer.encoder import Encoder

TEXTS = ["a red bird", "THE NIGHT 🐕", "小鸟 и птица", "", "two dogs, " * 40]


def transformers_rows(source: Path, images: list[Image.Image]) -> dict[str, np.ndarray]:
    """Embed by what the checkpoint's own classes make of one padded batch, as its card would."""
    model, tokenizer = (
        AutoModel.from_pretrained(source).eval(),
        AutoTokenizer.from_pretrained(source),
    )
    processor = AutoImageProcessor.from_pretrained(source)
    fixed = model.config.model_type == "siglip"
    longest = 64 if model.config.model_type == "align" else tokenizer.model_max_length
    texts = tokenizer(
        TEXTS,
        padding="max_length" if fixed else True,
        truncation=True,
        max_length=longest,
        return_tensors="pt",
    )
    with torch.no_grad():
        return {
            "text": model.get_text_features(**texts).pooler_output.numpy(),
            "gallery": model.get_image_features(
                **processor(images, return_tensors="pt")
            ).pooler_output.numpy(),
        }


def graph_rows(encoder: Encoder, name: str, field: str, values: list[Any]) -> np.ndarray:
    """Run a graph's second output, the rows before they are normalised."""
    return encoder.runner.run(encoder.prepare(Query.of(field, values)).feeds)[f"{name}_projected"]


@pytest.mark.parametrize("family", SAVE)
def test_a_bundle_embeds_as_transformers(
    exported: Callable[[str], Exported], tmp_path: Path, family: str
) -> None:
    """Un-normalised to 1e-4, then unit: the check of the export itself is not what is believed."""
    made, rng = exported(family), np.random.default_rng(3)
    require_each_once(made.bundle.folder)
    sizes = [(40, 90, 3), (90, 40, 3), (6, 5, 3), (200, 200, 3)]
    images = [Image.fromarray(rng.integers(0, 256, size, np.uint8)) for size in sizes]
    photo = tmp_path / "large.jpg"  # which is decoded whole, as its family does it
    images[0].resize((900, 600)).save(photo)
    wanted = transformers_rows(made.source, [*images, Image.open(photo)])
    given = {"text": ("text", TEXTS), "gallery": ("image", [*images, photo])}
    for name, (field, values) in given.items():
        encoder, rows = made.bundle.graph(name), wanted[name]
        np.testing.assert_allclose(graph_rows(encoder, name, field, values), rows, atol=1e-4)
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        np.testing.assert_allclose(encoder.encode(Query.of(field, values)), unit, atol=1e-5)
        assert np.abs(unit[0] - unit[1]).max() > 0.02, "the samples are told apart"
    graphs = made.bundle.graphs.values()
    variants = [graph["variants"]["fp32"] for graph in graphs]
    assert all(one["parity"]["max_abs"] < 1e-5 for one in variants)
    assert all(one["projected_parity"]["max_abs"] < 1e-4 for one in variants)


@pytest.mark.parametrize(
    ("family", "scale", "bias", "score"),
    [
        ("clip", np.exp(3), None, "the share exp(20.09 c)"),
        ("siglip", np.exp(3), -10, "1 / (1 + exp(-(20.09 c -10)))"),
        ("align", 1, None, "the share exp(1 c)"),
    ],
)
def test_what_a_score_means_is_told(
    exported: Callable[[str], Exported], family: str, scale: float, bias: float | None, score: str
) -> None:
    """The scale is not its logarithm; SigLIP scores each pair by itself."""
    about = exported(family).bundle.manifest.body["provenance"]
    assert about["logit_scale"] == pytest.approx(scale)
    assert about["logit_bias"] == bias
    assert score in about["score"]


def test_texts_are_padded_where_padding_is_read(exported: Callable[[str], Exported]) -> None:
    """SigLIP takes ids alone, at one length; CLIP's batch is as long as its longest text."""
    short = Query.of("text", ["a dog", "a bird"])
    siglip, clip = (exported(name).bundle.graph("text") for name in ("siglip", "clip"))
    [(name, ids)] = siglip.prepare(short).feeds.items()
    assert (name, ids.shape) == ("input_ids", (2, 16))
    assert clip.prepare(short).feeds["attention_mask"].shape == (2, 4)
