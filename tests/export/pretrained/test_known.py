"""What the list says of models that can be had by name follows from their published shapes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from zscr.infer.models.known import KNOWN

LARGE_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
LARGE_IMAGE = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16}
LARGE_IMAGE |= {"num_hidden_layers": 24, "patch_size": 14}
# transformers' defaults are CLIP ViT-B/32 and SigLIP B/16; what differs in the published ones.
CLIP: dict[str, dict[str, Any]] = {
    "openai/clip-vit-base-patch32": {},
    "openai/clip-vit-base-patch16": {"vision_config": {"patch_size": 16}},
    "openai/clip-vit-large-patch14": {
        "text_config": LARGE_TEXT,
        "vision_config": LARGE_IMAGE,
        "projection_dim": 768,
    },
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K": {},
}
SIGLIP: dict[str, dict[str, Any]] = {
    "google/siglip-base-patch16-224": {},
    "google/siglip-base-patch16-256-multilingual": {
        "text_config": {"vocab_size": 250_000},
        "vision_config": {"image_size": 256},
    },
    "google/siglip2-base-patch16-224": {"text_config": {"vocab_size": 256_000}},
}


@pytest.mark.parametrize("name", [*CLIP, *SIGLIP])
def test_sizes_are_those_of_the_architecture(name: str) -> None:
    """Embeddings' dimensions, and the MiB of all weights in 32 bits."""
    with torch.device("meta"):
        if name in CLIP:
            config = transformers.CLIPConfig(**CLIP[name])
            model, dim = transformers.CLIPModel(config), config.projection_dim
        else:
            config = transformers.SiglipConfig(**SIGLIP[name])
            model, dim = transformers.SiglipModel(config), config.vision_config.hidden_size
    size = sum(4 * weights.numel() for weights in model.parameters()) / (1 << 20)
    [known] = [one for one in KNOWN if one.name == f"clip:{name}"]
    assert (known.dim, known.mib) == (dim, round(size))
