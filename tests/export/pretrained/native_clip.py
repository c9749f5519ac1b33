"""OpenCLIP's CLIP in plain torch, with its names of weights: a second implementation of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from tests.checkpoints import clip_tokenizer

WIDTH, HEADS, LAYERS, SIDE, PATCH, LENGTH, DIM = 64, 1, 2, 32, 8, 20, 24


class Block(nn.Module):
    def __init__(self, quick: bool) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attn = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(WIDTH, 4 * WIDTH), "c_proj": nn.Linear(4 * WIDTH, WIDTH)}
        )
        self.quick = quick

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        y = self.mlp["c_fc"](self.ln_2(x))
        y = y * torch.sigmoid(1.702 * y) if self.quick else nn.functional.gelu(y)
        return x + self.mlp["c_proj"](y)


class Blocks(nn.Module):
    def __init__(self, quick: bool) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(quick) for _ in range(LAYERS))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class Visual(nn.Module):
    def __init__(self, quick: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(WIDTH))
        self.positional_embedding = nn.Parameter(torch.randn((SIDE // PATCH) ** 2 + 1, WIDTH))
        self.ln_pre, self.ln_post = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.transformer = Blocks(quick)
        self.proj = nn.Parameter(torch.randn(WIDTH, DIM))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.conv1(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1)
        x = self.transformer(self.ln_pre(x + self.positional_embedding))
        return self.ln_post(x[:, 0]) @ self.proj


class NativeClip(nn.Module):
    """CLIP as OpenCLIP lays it out."""

    def __init__(self, words: int, quick: bool) -> None:
        super().__init__()
        self.visual = Visual(quick)
        self.token_embedding = nn.Embedding(words, WIDTH)
        self.positional_embedding = nn.Parameter(torch.randn(LENGTH, WIDTH))
        self.transformer, self.ln_final = Blocks(quick), nn.LayerNorm(WIDTH)
        self.text_projection = nn.Parameter(torch.randn(WIDTH, DIM))
        self.logit_scale = nn.Parameter(torch.tensor(3.0))

    def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        causal = torch.full((ids.shape[1], ids.shape[1]), -torch.inf).triu(1)
        x = self.ln_final(self.transformer(x, causal))
        return x[torch.arange(len(x)), ids.argmax(1)] @ self.text_projection


def save_native(folder: Path, quick: bool = False, **settings: Any) -> NativeClip:
    """Save random weights as OpenCLIP does; return the model.

    Args:
        folder: to write.
        quick: whether the activation is QuickGELU.
        settings: of the image tower, such as `timm_model_name`.
    """
    torch.manual_seed(7)
    tokenizer = clip_tokenizer(LENGTH)
    tokenizer.save_pretrained(folder)
    model = NativeClip(len(tokenizer), quick).eval()
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    image = {"image_size": SIDE, "layers": LAYERS, "width": WIDTH, "patch_size": PATCH}
    text = {"context_length": LENGTH, "vocab_size": len(tokenizer), "width": WIDTH}
    text |= {"heads": HEADS, "layers": LAYERS}
    described = {"embed_dim": DIM, "quick_gelu": quick, "text_cfg": text}
    described["vision_cfg"] = image | settings
    shown = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    content = {"model_cfg": described, "preprocess_cfg": shown | {"resize_mode": "shortest"}}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    return model
