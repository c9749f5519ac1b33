"""CLIP's text tower of the real widths with random weights, read by us and by transformers.

And the mistakes that are easy to make of it, each a tower that differs in one thing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
import transformers
from torch import nn

from zscr.train.language.families import CausalText
from zscr.train.language.tower import LanguageTower

STAR, WORDS, PLACES = 265, 49408, 77  # the id of "*", how many ids there are, and places
SHAPES = {"B/32": (512, 8), "L/14": (768, 12)}  # width and heads of the text towers
LENGTH = 24  # tokens of the longest sentence


def clip_text(shape: str, layers: int, vocabulary: int = WORDS) -> Any:
    """Draw a text tower of a shape as transformers has it, QuickGELU and projection included.

    Args:
        layers: the real towers have 12; vocabulary: the real ones have 49,408.
    """
    width, heads = SHAPES[shape]
    config = transformers.CLIPTextConfig(
        vocab_size=vocabulary,
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


def tower_of(model: Any) -> LanguageTower:
    """Return our own reading of transformers' text tower, which shares its weights."""
    text = model.text_model
    body = CausalText(text, text.final_layer_norm, model.text_projection, highest=True)
    return LanguageTower(body, model.config.projection_dim)


Prompts = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def prompts(width: int, vocabulary: int = WORDS) -> Prompts:
    """Return ids, mask, slots and words of four sentences with the place at four places."""
    generator, (start, end) = torch.Generator().manual_seed(3), (vocabulary - 2, vocabulary - 1)
    lengths, slots = (6, 9, LENGTH, 12), torch.tensor([4, 1, 20, 10])
    ids = torch.full((4, LENGTH), end)  # CLIP's tokenizer pads with the end token
    for row, length in enumerate(lengths):
        ids[row, 1 : length - 1] = torch.randint(300, start, (length - 2,), generator=generator)
        ids[row, 0], ids[row, slots[row]] = start, STAR
    mask = (torch.arange(LENGTH) < torch.tensor(lengths)[:, None]).long()
    return ids, mask, slots, torch.randn(4, 1, width, generator=generator) * 0.02


def hooked(model: Any, ids: torch.Tensor, slots: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """Run transformers' own model; a hook puts a row's vector into what its embedding layer gives.

    The model is given no mask, as by the released code: no token sees what stands behind it.
    """

    def put(layer: nn.Module, given: Any, found: torch.Tensor) -> torch.Tensor:
        return found.index_put((torch.arange(len(slots)), slots), words[:, 0])

    with model.text_model.embeddings.token_embedding.register_forward_hook(put):
        rows: torch.Tensor = model(input_ids=ids).text_embeds
    return rows


class _Unmasked(nn.Module):
    """An encoder whose tokens all see each other."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        """Pass the states on without their mask."""
        return self.encoder(inputs_embeds=inputs_embeds, attention_mask=None, is_causal=False)


def _gelu(model: Any, given: Prompts) -> torch.Tensor:
    other = copy.deepcopy(model)
    for layer in other.text_model.encoder.layers:
        layer.mlp.activation_fn = nn.GELU()
    return tower_of(other)(*given)


def _all_seen(model: Any, given: Prompts) -> torch.Tensor:
    tower = tower_of(model)
    tower.body.encoder = _Unmasked(tower.body.encoder)
    return tower(*given)


def _late(model: Any, given: Prompts) -> torch.Tensor:
    ids, mask, slots, words = given
    added = model.text_model.embeddings.position_embedding.weight[slots]
    return tower_of(model)(ids, mask, slots, words - added[:, None])


def _next(model: Any, given: Prompts) -> torch.Tensor:
    ids, mask, slots, words = given
    return tower_of(model)(ids, mask, slots + 1, words)


def _first(model: Any, given: Prompts) -> torch.Tensor:
    ids, mask, slots, words = given
    return tower_of(model)(ids, mask, slots[:1].expand(len(slots)), words)


# A mistake in words -> the rows of a tower that makes it.
MISTAKES: Mapping[str, Callable[[Any, Prompts], torch.Tensor]] = {
    "GELU for QuickGELU": _gelu,
    "vectors put in after positions were added": _late,
    "no causal mask": _all_seen,
    "the place one off": _next,
    "the first row's place for all rows": _first,
}
