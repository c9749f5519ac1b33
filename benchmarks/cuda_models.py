"""What `cuda_query.py` times: models of published sizes with random weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)
from zscrgan_turns import SIZES, new_method

from zscr.train.encoders.char_cnn_rnn import ALPHABET, CharCnnRnnConfig, new_network
from zscr.train.encoders.onnx import trace
from zscr.train.methods.zscrgan.reference.method import Config

INPUT, OUTPUT = "x", "row"


@dataclass
class Model:
    """A module in one precision, on the CPU.

    Attributes:
        name: for results.
        plain: attention by matrix products and a softmax, which is what is exported; fused: by
            torch's own attention, with the same weights. Without attention they are the same.
        example: a batch of the CPU by its size.
        dtype: of weights, and of inputs that are no ids.
    """

    name: str
    plain: nn.Module
    fused: nn.Module
    example: Callable[[int], torch.Tensor]
    dtype: torch.dtype
    _folder: Any = field(default_factory=TemporaryDirectory)

    def batch(self, rows: int) -> torch.Tensor:
        """Return a batch, in the precision where it is no ids."""
        made = self.example(rows)
        return made.to(self.dtype) if made.is_floating_point() else made

    @cached_property
    def graph(self) -> Path:
        """The ONNX file, exported at the first use."""
        path = Path(self._folder.name) / "model.onnx"
        axes = {INPUT: {0: "batch"}}
        onnx.save(trace(self.plain, {INPUT: self.batch(2)}, OUTPUT, dynamic=axes), path)
        return path

    @property
    def bytes(self) -> int:
        """What a batch reads of the weights at least; of tables of words it reads a few rows."""
        tables = {id(m.weight) for m in self.plain.modules() if isinstance(m, nn.Embedding)}
        weights = [p for p in self.plain.parameters() if id(p) not in tables]
        return sum(p.numel() * p.element_size() for p in weights)

    def flops(self, rows: int) -> int:
        """Count the products and sums of a batch."""
        with torch.no_grad(), FlopCounterMode(display=False) as counted:
            copy.deepcopy(self.plain).to("meta")(self.batch(1).to("meta"))
        return rows * counted.get_total_flops()


class Row(nn.Module):
    """Names what a module of transformers takes and gives."""

    def __init__(self, module: nn.Module, takes: str, gives: str) -> None:
        super().__init__()
        self.module, self.takes, self.gives = module, takes, gives

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Map a batch to its embeddings (B, D)."""
        return getattr(self.module(**{self.takes: batch}), self.gives)


def zscrgan(size: str, dtype: torch.dtype) -> Model:
    """Return ZSCRGAN's query from captions: char-CNN-RNN, conditioning, generator, CSEM."""
    of = SIZES["published" if size == "published" else "demo"]
    method = new_method(of, Config(**of.widths), "cpu")
    config = CharCnnRnnConfig()
    network = nn.Sequential(new_network(config, of.text), method.heads()["text"].module)
    drawn = torch.Generator().manual_seed(7)

    def captions(rows: int) -> torch.Tensor:
        return torch.randint(1, len(ALPHABET), (rows, config.length), generator=drawn)

    return _model("zscrgan, captions", network, None, captions, dtype)


def zscrgan_vectors(size: str, dtype: torch.dtype) -> Model:
    """Return ZSCRGAN's query from published text vectors."""
    of = SIZES["published" if size == "published" else "demo"]
    head = new_method(of, Config(**of.widths), "cpu").heads()["text"].module
    return _model(
        "zscrgan, published vectors", head, None, lambda rows: torch.randn(rows, of.text), dtype
    )


def image_tower(size: str, dtype: torch.dtype) -> Model:
    """Return CLIP's ViT-B/16 over images of 224 pixels."""
    widths = {"patch_size": 16, "projection_dim": 512, "image_size": 224}
    layers = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
    if size == "tiny":
        layers = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2}
    config = CLIPVisionConfig(**widths, **layers, num_attention_heads=12)

    def tower(attention: str) -> nn.Module:
        config._attn_implementation = attention
        made = CLIPVisionModelWithProjection(copy.deepcopy(config))
        return Row(made, "pixel_values", "image_embeds")

    return _model("ViT-B/16", tower("eager"), tower("sdpa"), _pixels, dtype)


def text_tower(size: str, dtype: torch.dtype) -> Model:
    """Return the text tower of CLIP's ViT-B/32, over 77 tokens."""
    layers = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12}
    if size == "tiny":
        layers = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    config = CLIPTextConfig(**layers, num_attention_heads=8, projection_dim=512)

    def tower(attention: str) -> nn.Module:
        config._attn_implementation = attention
        made = CLIPTextModelWithProjection(copy.deepcopy(config))
        return Row(made, "input_ids", "text_embeds")

    return _model("CLIP's text tower", tower("eager"), tower("sdpa"), texts, dtype)


MODELS = {
    "zscrgan, captions": zscrgan,
    "zscrgan, published vectors": zscrgan_vectors,
    "ViT-B/16": image_tower,
    "CLIP's text tower": text_tower,
}


def _pixels(rows: int) -> torch.Tensor:
    return torch.randn(rows, 3, 224, 224)


def texts(rows: int) -> torch.Tensor:
    """Draw texts of 8 to 40 tokens with CLIP's ends, (rows, 77)."""
    ids = torch.randint(300, 40000, (rows, 77))
    ends = torch.randint(9, 41, (rows, 1))
    places = torch.arange(77)
    ids = torch.where(places < ends, ids, 49407)
    ids[:, 0] = 49406
    return ids


def _model(
    name: str,
    plain: nn.Module,
    fused: nn.Module | None,
    example: Callable[[int], torch.Tensor],
    dtype: torch.dtype,
) -> Model:
    for parameter in plain.parameters():
        parameter.grad = None  # a method keeps views of its optimizers' there
    plain = plain.eval().requires_grad_(False).to(dtype)
    if fused is None:
        return Model(name, plain, plain, example, dtype)
    fused = fused.eval().requires_grad_(False).to(dtype)
    fused.load_state_dict(plain.state_dict())
    return Model(name, plain, fused, example, dtype)
