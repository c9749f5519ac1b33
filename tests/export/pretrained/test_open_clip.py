"""OpenCLIP's own folders, against its model in plain torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.export.pretrained.native_clip import SIDE, save_native
from zscr.errors import InputError
from zscr.train.pretrained.folder import open_dual
from zscr.train.pretrained.samples import TEXTS


@pytest.mark.parametrize("quick", [False, True])
def test_renamed_weights_compute_the_same(tmp_path: Path, quick: bool) -> None:
    """Both towers, each text and image alone; the activation is that of the configuration."""
    model = save_native(tmp_path / "native", quick)
    dual = open_dual(tmp_path / "native")
    pixels = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    made = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
    tokens = dual.reference.tokens  # type: ignore[attr-defined]
    with torch.no_grad():
        texts = [model.encode_text(tokens.tensors(text)["input_ids"])[0].numpy() for text in TEXTS]
        image = model.visual(made).numpy()
    np.testing.assert_allclose(dual.reference.texts(TEXTS), texts, atol=2e-4)
    found = dual.reference.images([Image.fromarray(pixels)])
    np.testing.assert_allclose(found, image, atol=2e-4)
    assert (dual.family, dual.logit_scale) == ("OpenCLIP", pytest.approx(np.exp(3)))
    assert dual.text.spec["max_length"] == 20


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"timm_model_name": "fastvit_mci2"}, "has timm_model_name 'fastvit_mci2'"),
        ({"layers": [3, 4, 6, 3]}, "the image tower of .* has layers"),
        ({"pool_type": "avg"}, "has pool_type 'avg'"),
    ],
)
def test_towers_of_other_kinds_are_refused(
    tmp_path: Path, setting: dict[str, object], told: str
) -> None:
    """MobileCLIP's and SigLIP's are timm's, and a ResNet is no vision transformer."""
    save_native(tmp_path / "native", **setting)
    with pytest.raises(InputError, match=told):
        open_dual(tmp_path / "native")


@pytest.mark.parametrize(
    "change",
    [{"model_cfg": 3}, {"model_cfg": {"text_cfg": {}}}, {"preprocess_cfg": {"mean": [0.5]}}],
)
def test_a_description_of_nonsense_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """What it lacks is not guessed."""
    save_native(tmp_path / "native")
    path = tmp_path / "native" / "open_clip_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=r"open_clip_config\.json (describes|does not say)"):
        open_dual(tmp_path / "native")


def test_weights_that_are_left_over_are_refused(tmp_path: Path) -> None:
    """A name that is not known may change what the model computes."""
    from safetensors.torch import load_file, save_file

    save_native(tmp_path / "native")
    path = tmp_path / "native" / "open_clip_model.safetensors"
    scale = {"visual.transformer.resblocks.0.ls_1.gamma": torch.ones(4)}
    save_file(load_file(path) | scale, path)
    with pytest.raises(InputError, match=r"has weights that its family has not: .*ls_1"):
        open_dual(tmp_path / "native")
