"""Vision transformers as towers: the states that transformers itself makes of the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from tests.checkpoints import save_clip, save_siglip, save_vision
from zscr.data.records import Query
from zscr.errors import ConfigError, InputError
from zscr.export.heads import build_graph, deployed_heads
from zscr.infer.encoder import load_encoder
from zscr.train.encoders.onnx import run_bytes
from zscr.train.methods.contract import Head, Port
from zscr.train.pretrained.samples import images
from zscr.train.vision.backbone import open_backbone

KINDS = ("vit", "clip_vision_model", "dinov2", "dinov2_with_registers", "clip")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Save one of each kind."""
    place = tmp_path_factory.mktemp("transformers")
    made = {kind: save_vision(place / kind, kind) for kind in KINDS if kind != "clip"}
    return made | {"clip": save_clip(place / "clip")}


def theirs(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what transformers makes of the sample images: [CLS] and patches, after the norm."""
    model: Any = transformers.AutoModel.from_pretrained(folder)
    model = getattr(model, "vision_model", model).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    pixels = processor(images=[i.convert("RGB") for i in images()[:4]], return_tensors="pt")
    with torch.no_grad():
        found = model(**pixels)
    if hasattr(model, "post_layernorm"):
        return found.pooler_output, model.post_layernorm(found.last_hidden_state)[:, 1:]
    registers = getattr(model.config, "num_register_tokens", 0)
    return found.last_hidden_state[:, 0], found.last_hidden_state[:, 1 + registers :]


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_those_of_transformers(kind: str, folders: dict[str, Path]) -> None:
    """From the images on, by way of pixels of 8 bits; DINOv2's places are of another size."""
    backbone = open_backbone(str(folders[kind]), "whole")
    queries = [Query(image=image.convert("RGB")) for image in images()[:4]]
    rows = load_encoder(backbone.encoder()).encode(queries)
    tower = backbone.tower().eval()
    with torch.no_grad():
        states = tower(torch.from_numpy(rows))
    pooled, tokens = theirs(folders[kind])
    assert (rows.dtype, rows.shape[1:]) == (np.uint8, (3, 32, 32))
    assert (tower.width, tower.side, states.tokens.shape) == (32, 4, (4, 16, 32))
    assert torch.allclose(states.pooled, pooled, atol=2e-5)
    assert torch.allclose(states.tokens, tokens, atol=2e-5)


class Both(nn.Module):
    """Pooled state and last token, side by side."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        states = self.tower(rows)
        return torch.cat([states.pooled, states.tokens[:, -1]], 1)


def test_an_exported_transformer_is_the_trained_one(folders: dict[str, Path]) -> None:
    """Of 1, 2 and 5 images, in a graph that takes decoded pixels."""
    backbone = open_backbone(str(folders["dinov2_with_registers"]), "whole")
    encoder, module = load_encoder(backbone.encoder()), Both(backbone.tower()).eval()
    head = Head(module, (Port("image"),), "gallery")
    [deployed] = deployed_heads({"gallery": head}, {"image": encoder}, {"image": (3, 32, 32)})
    graph, draw = build_graph(deployed), np.random.default_rng(1)
    for count in (1, 2, 5):
        feeds = {"pixels": draw.integers(0, 256, (count, 3, 32, 32)).astype(np.float32)}
        with torch.no_grad():
            expected = module(torch.from_numpy(encoder.run(feeds))).numpy()
        assert np.abs(run_bytes(graph, feeds) - expected).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_blocks_alone_learn(kind: str, folders: dict[str, Path]) -> None:
    """With the norm behind them; and two towers of one backbone share no weights."""
    backbone = open_backbone(str(folders[kind]), "whole", blocks=1)
    tower, other = backbone.tower(), backbone.tower()
    learning = {name for name, one in tower.named_parameters() if one.requires_grad}
    last = {"vit": "layers.1", "clip_vision_model": "encoder.layers.1", "clip": "encoder.layers.0"}
    block, norm = (
        last.get(kind, "encoder.layer.1"),
        ("layernorm." if "clip" not in kind else "post_layernorm."),
    )
    parts = (f"model.{block}.", f"model.{norm}")
    assert learning == {name for name, _ in tower.named_parameters() if name.startswith(parts)}
    tower(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).tokens.square().sum().backward()
    with torch.no_grad():
        for one in tower.parameters():
            one.add_(1)
    assert not any(
        torch.equal(a, b) for a, b in zip(tower.parameters(), other.parameters(), strict=True)
    )


def test_what_is_no_vision_transformer_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'siglip', which is not known as a vision transformer"):
        open_backbone(str(save_siglip(tmp_path / "siglip")), "whole")
    with pytest.raises(ConfigError, match="vit has 2 blocks, so not 4 can be trained"):
        open_backbone(str(folders["vit"]), "whole", blocks=4)


def test_a_vit_of_published_size_has_its_published_number_of_weights() -> None:
    """ViT-B/16 without a classifier: 85.8 million (Dosovitskiy et al. 2021)."""
    from zscr.train.vision.transformer import Transformer
    from zscr.train.vision.whole import Patches

    with torch.device("meta"):
        model = transformers.ViTModel(transformers.ViTConfig(), add_pooling_layer=False)
    preprocess = {"image_size": 224, "rescale": 1 / 255, "mean": [0.5] * 3, "std": [0.5] * 3}
    tower = Patches(Transformer("vit", "", model, {"preprocess": preprocess}))
    assert sum(one.numel() for one in tower.parameters()) == 85_798_656
    assert (tower.width, tower.side) == (768, 14)
