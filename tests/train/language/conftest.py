"""Fixtures: CLIP text towers of the real widths with random weights, and what transformers says."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
import transformers
from torch import nn

from zscr.train.language.families import CausalText
from zscr.train.language.tower import LanguageTower

START, END, STAR = 49406, 49407, 265
# Widths, heads and the vocabulary are the real ones; of twelve layers there are fewer.
SHAPES = {"B/32": (512, 8, 4), "L/14": (768, 12, 2)}
LENGTH = 24  # of the longest sentence; the tower has places for 77


def clip_text(shape: str) -> Any:
    """Draw a text tower of ViT-B/32's or ViT-L/14's shape, QuickGELU and projection included."""
    width, heads, layers = SHAPES[shape]
    config = transformers.CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        projection_dim=width,
        eos_token_id=2,  # as OpenAI's checkpoints have it: the end is the highest id
        attn_implementation="eager",
    )
    torch.manual_seed(7)
    return transformers.CLIPTextModelWithProjection(config).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def text_model() -> Callable[[str], Any]:
    """Return a function: shape -> transformers' text tower, drawn once."""
    return cache(clip_text)


def body_of(model: Any) -> CausalText:
    """Return our own reading of transformers' text tower."""
    text = model.text_model
    return CausalText(text, text.final_layer_norm, model.text_projection, highest=True)


def tower_of(model: Any) -> LanguageTower:
    """Return the tower that takes word vectors."""
    return LanguageTower(body_of(model), model.config.projection_dim)


def prompts(width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ids, mask, slots and words of four sentences with the place at four places."""
    generator = torch.Generator().manual_seed(3)
    lengths, slots = (6, 9, LENGTH, 12), torch.tensor([4, 1, 20, 10])
    ids = torch.full((4, LENGTH), END)  # CLIP's tokenizer pads with the end token
    for row, length in enumerate(lengths):
        ids[row, 1 : length - 1] = torch.randint(300, START, (length - 2,), generator=generator)
        ids[row, 0], ids[row, slots[row]] = START, STAR
    mask = (torch.arange(LENGTH) < torch.tensor(lengths)[:, None]).long()
    return ids, mask, slots, torch.randn(4, 1, width, generator=generator) * 0.02


def hooked(model: Any, ids: torch.Tensor, slots: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """Run transformers' own model; a hook puts a row's vector into what its embedding layer gives.

    The model is given no mask, as by the released code: no token sees what stands behind it.
    """

    def put(layer: nn.Module, given: Any, found: torch.Tensor) -> torch.Tensor:
        found = found.clone()
        for row, slot in enumerate(slots.tolist()):
            if slot >= 0:
                found[row, slot] = words[row, 0]
        return found

    with model.text_model.embeddings.token_embedding.register_forward_hook(put):
        rows: torch.Tensor = model(input_ids=ids).text_embeds
    return rows
