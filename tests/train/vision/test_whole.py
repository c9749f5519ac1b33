"""Vision transformers as backbones: the states that transformers makes of the same images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from tests.checkpoints import save_clip, save_siglip, save_vision
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.export.heads import build_graph, deployed_heads
from zscr.infer.encoder import load_encoder
from zscr.train.encoders.onnx import run_bytes
from zscr.train.methods.contract import Head, Port
from zscr.train.pretrained.samples import images
from zscr.train.vision.backbone import open_backbone
from zscr.train.vision.network import open_network

KINDS = ("vit", "clip_vision_model", "dinov2", "dinov2_with_registers", "clip")
USED = {  # of which kinds: a trace takes seconds
    "whole": KINDS,
    "frozen": ("clip_vision_model", "dinov2_with_registers"),
    "tokens": ("clip_vision_model", "dinov2_with_registers"),
    "upper": ("vit", "dinov2_with_registers", "clip"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Save one of each kind."""
    place = tmp_path_factory.mktemp("transformers")
    made = {kind: save_vision(place / kind, kind) for kind in KINDS if kind != "clip"}
    return made | {"clip": save_clip(place / "clip")}


def theirs(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what transformers makes of the sample images: [CLS] and patches, after the norm."""
    model: Any = transformers.AutoModel.from_pretrained(folder)
    model = getattr(model, "vision_model", model).eval().requires_grad_(False)
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    pixels = processor(images=[i.convert("RGB") for i in images()[:4]], return_tensors="pt")
    with torch.no_grad():
        found = model(**pixels)
    if hasattr(model, "post_layernorm"):
        return found.pooler_output, model.post_layernorm(found.last_hidden_state)[:, 1:]
    registers = getattr(model.config, "num_register_tokens", 0)
    return found.last_hidden_state[:, 0], found.last_hidden_state[:, 1 + registers :]


@pytest.mark.parametrize(
    ("used", "kind"), [(used, kind) for used, kinds in USED.items() for kind in kinds]
)
def test_states_are_those_of_transformers(used: str, kind: str, folders: dict[str, Path]) -> None:
    """From the images on, whatever of it the rows are; DINOv2's places are of another size."""
    backbone = open_backbone(str(folders[kind]), used)
    queries = [Query(image=image.convert("RGB")) for image in images()[:4]]
    rows = load_encoder(backbone.encoder()).encode(queries)
    tower = backbone.tower().eval()
    with torch.no_grad():
        states = tower(torch.from_numpy(rows))
    pooled, tokens = theirs(folders[kind])
    registers = 3 if kind.endswith("registers") and used == "upper" else 0
    made: dict[str, tuple[Any, tuple[int, ...]]] = {
        "whole": (np.uint8, (3, 32, 32)),
        "frozen": (np.float32, (32,)),
        "tokens": (np.float16, (17, 32)),
        "upper": (np.float16, (17 + registers, 32)),
    }
    assert (rows.dtype, rows.shape[1:]) == made[used]
    near = 2e-5 if used in ("whole", "frozen") else 3e-3 * float(tokens.abs().max())
    assert torch.allclose(states.pooled, pooled, atol=near)
    if used != "frozen":  # of which the features themselves are the one token
        assert (tower.width, tower.side, states.tokens.shape) == (32, 4, (4, 16, 32))
        assert torch.allclose(states.tokens, tokens, atol=near)


class Both(nn.Module):
    """Pooled state and last token, side by side."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        states = self.tower(rows)
        return torch.cat([states.pooled, states.tokens[:, -1]], 1)


@pytest.mark.parametrize("used", ["whole", "upper"])
def test_an_exported_transformer_is_the_trained_one(used: str, folders: dict[str, Path]) -> None:
    """Of 1, 2 and 5 images, behind its encoder."""
    backbone = open_backbone(str(folders["dinov2_with_registers"]), used)
    encoder, module = load_encoder(backbone.encoder()), Both(backbone.tower()).eval()
    head = Head(module, (Port("image"),), "gallery")
    [deployed] = deployed_heads({"gallery": head}, {"image": encoder}, {"image": encoder.row_shape})
    graph, draw = build_graph(deployed), np.random.default_rng(1)
    for count in (1, 2, 5):
        feeds = {"pixels": draw.integers(0, 256, (count, 3, 32, 32)).astype(np.float32)}
        if used != "whole":
            feeds = {"pixels": feeds["pixels"] / 255}
        with torch.no_grad():
            expected = module(torch.from_numpy(encoder.run(feeds))).numpy()
        assert np.abs(run_bytes(graph, feeds) - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("kind", "parts"),
    [("vit", ["layers.1", "layernorm"]), ("clip", ["encoder.layers.0", "post_layernorm"])],
)
def test_the_blocks_above_a_cut_learn(
    kind: str, parts: list[str], folders: dict[str, Path]
) -> None:
    """All of each, and the norm; two towers of one backbone share no weights."""
    backbone = open_backbone(str(folders[kind]), "upper")
    towers = [backbone.tower() for _ in range(2)]
    whole = open_backbone(str(folders[kind]), "whole").tower().model
    wanted = [one for part in parts for one in whole.get_submodule(part).parameters()]
    learnt = zip(towers[0].parameters(), wanted, strict=True)
    assert all(torch.equal(a, b) and a.requires_grad for a, b in learnt)
    towers[0](torch.randn(2, 17, 32)).tokens.square().sum().backward()
    assert all(one.grad is not None for one in towers[0].parameters())
    with torch.no_grad():
        for one in towers[0].parameters():
            one.add_(1)
    pairs = zip(*(tower.parameters() for tower in towers), strict=True)
    assert not any(torch.equal(a, b) for a, b in pairs)


def test_a_transformer_is_opened_once(folders: dict[str, Path]) -> None:
    """However much of it is trained."""
    name = str(folders["vit"])
    assert open_network(name) is open_network(name, whole=True)


def test_sides_of_patches_and_links_to_nothing_are_read(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    """Some configurations name both sides; a cache of a hub may hold links whose files are gone."""
    folder = shutil.copytree(folders["vit"], tmp_path / "vit")
    (folder / "gone.bin").symlink_to(tmp_path / "nothing")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"patch_size": [8, 8]}))
    assert open_backbone(str(folder), "upper").tower().side == 4


def test_what_is_no_vision_transformer_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'siglip', which is not known as a vision transformer"):
        open_backbone(str(save_siglip(tmp_path / "siglip")), "whole")
    shutil.copytree(folders["vit"], tmp_path / "packed" / "vit")
    with pytest.raises(InputError, match="packed has no config.json at its top that names a fam"):
        open_backbone(str(tmp_path / "packed"), "whole")
    with pytest.raises(InputError, match="cut=2 of vit, a transformer of 2 blocks.* from 0 to 1"):
        open_backbone(str(folders["vit"]), "upper", cut="2")


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
