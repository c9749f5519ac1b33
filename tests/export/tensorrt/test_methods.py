"""The GAN with its text encoder in one graph, and frozen image encoders, built by TensorRT.

The other methods are built where they are trained: tests/train/cmaan, tests/train/pic2word and
tests/export/pretrained.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines import build_all, products
from zscr.export.bundle import export_run
from zscr.train.fit import Request, fit

SMALL = {"gf_dim": 32, "df_dim": 16, "z_dim": 8, "batch_size": 4, "landmarks": 16}
SMALL |= {"e_steps": 1, "rounds": 1}


@pytest.mark.engines
def test_the_gan_and_its_encoders_build(
    shapes: Path, tiny_text: Path, tiny_image: Path, tmp_path: Path
) -> None:
    """From token ids to a unit vector, and from pixels: each in one engine, in every precision."""
    encoders = {"text_encoder": str(tiny_text), "image_encoder": str(tiny_image)}
    request = Request("zscrgan", shapes, tmp_path / "run", SMALL, device="cpu", **encoders)
    built = build_all(export_run(fit(request), tmp_path / "bundle"), tmp_path, "fp16", "int8")
    text = built["text"]
    assert [*text] == ["fp32", "fp16", "int8"]
    assert {one.dtype for one in text["fp32"].inputs} == {"int64"}
    count = sum(products(text["fp32"]).values())
    assert products(text["fp32"]) == {"float32": count}
    assert products(text["fp16"]) == {"float16": count}
    assert text["int8"].layers["dequantize"]
    assert set(text["fp16"].layers["normalization"]) == {"float32"}
    assert "convolution" in built["gallery"]["fp32"].layers
