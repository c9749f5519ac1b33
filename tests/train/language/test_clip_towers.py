"""CLIP's text tower with a vector for a word computes what transformers does, and no other thing.

Rows are compared before they are normalised: cosines of two of the mistakes below are over .9999.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from tests.train.language.conftest import SHAPES, hooked, prompts, tower_of
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.runner import Runtime
from zscr.train.encoders.onnx import trace
from zscr.train.encoders.raw import NO_TOKEN, SLOT
from zscr.train.language.tower import LanguageTower

TOLERANCE = 1e-4  # of a component


def difference(tower: LanguageTower, model: Any, *, slots: torch.Tensor | None = None) -> float:
    """Return how far a tower is from transformers on four sentences, in the worst component."""
    ids, mask, own, words = prompts(tower.width)
    wanted = hooked(model, ids, own, words)
    return float((tower(ids, mask, own if slots is None else slots, words) - wanted).abs().max())


@pytest.mark.parametrize("shape", SHAPES)
def test_composed_and_plain_texts_are_transformers(
    text_model: Callable[[str], Any], shape: str
) -> None:
    """Each row with its slot elsewhere; without a slot it is the plain text."""
    model = text_model(shape)
    tower = tower_of(model)
    assert difference(tower, model) <= TOLERANCE
    ids, mask, slots, words = prompts(tower.width)
    plain = model(input_ids=ids).text_embeds
    for given in (words, torch.cat([words, words], 1)):  # one vector, and two next to each other
        without = tower(ids, mask, torch.full_like(slots, -1), given)
        assert (without - plain).abs().max() <= TOLERANCE
    assert (tower(ids, mask, slots, words) - plain).abs().max() > 0.01, "the vector says something"


class _Unmasked(nn.Module):
    """An encoder whose tokens all see each other."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        """Pass the states on without their mask."""
        return self.encoder(inputs_embeds=inputs_embeds, attention_mask=None, is_causal=False)


class _Late(LanguageTower):
    """Puts the vectors in after positions were added."""

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, slot: torch.Tensor, words: torch.Tensor
    ) -> torch.Tensor:
        """Embed texts."""
        places = self.body.embed.position_embedding.weight[slot][:, None]
        return super().forward(ids, mask, slot, words - places)


def test_each_mistake_is_seen(text_model: Callable[[str], Any]) -> None:
    """GELU, no causal mask, vectors behind the positions, slots one off, or row 0's for all."""
    model = text_model("B/32")
    tower, slots = tower_of(model), prompts(512)[2]
    assert difference(tower, model, slots=slots + 1) > TOLERANCE
    assert difference(tower, model, slots=slots[:1].expand(4)) > TOLERANCE
    assert difference(_Late(tower.body, tower.dim), model) > TOLERANCE
    tower.body.encoder = _Unmasked(tower.body.encoder)
    assert difference(tower, model) > TOLERANCE
    wanted = [layer.mlp.activation_fn for layer in model.text_model.encoder.layers]
    try:
        for layer in model.text_model.encoder.layers:
            layer.mlp.activation_fn = nn.GELU()
        ids, mask, slots, words = prompts(512)
        other = tower_of(model)(ids, mask, slots, words)
    finally:
        for layer, own in zip(model.text_model.encoder.layers, wanted, strict=True):
            layer.mlp.activation_fn = own
    assert (other - hooked(model, ids, slots, words)).abs().max() > TOLERANCE


def test_rows_of_a_table_are_prompts(text_model: Callable[[str], Any]) -> None:
    """-2 marks a place, -1 no token; of several places each takes the next vector, or the one."""
    tower = tower_of(text_model("L/14"))
    ids, mask, slots, words = prompts(tower.width)
    rows = torch.where(mask > 0, ids, NO_TOKEN)
    rows[torch.arange(4), slots] = SLOT
    wanted = tower(ids, mask, slots, words)
    assert (tower.compose(rows.int(), words) - wanted).abs().max() <= TOLERANCE
    row = rows[2:3].clone()
    row[0, 21] = row[0, 7] = SLOT
    two = torch.cat([words[2:3], words[:1]], 1)
    given = tower.embeddings(row.clamp_min(0))
    for place, number in ((7, 0), (20, 1), (21, 0)):
        given[0, place] = two[0, number]
    by_hand = tower.body(given, row.clamp_min(0), torch.ones_like(row))
    assert (tower.compose(row, two) - by_hand).abs().max() <= TOLERANCE
    assert (tower.compose(row, two[:, :1]) - by_hand).abs().max() > 0.001, "one fills all places"


def test_gradients_reach_the_vectors_alone(text_model: Callable[[str], Any]) -> None:
    """The tower is frozen, and stays in evaluation whatever is trained."""
    tower = tower_of(text_model("L/14"))
    ids, mask, slots, words = prompts(tower.width)
    tower.train()(ids[:1], mask[:1], slots[:1], words[:1].requires_grad_()).sum().backward()
    assert not tower.training
    assert not any(weights.requires_grad for weights in tower.parameters())


def test_the_graph_is_the_tower(text_model: Callable[[str], Any], tmp_path: Path) -> None:
    """onnxruntime in batches of 1, 3 and 8, with slots at many places and none among them."""
    model = text_model("L/14")
    tower = tower_of(model)
    ids, mask, slots, words = (torch.cat([one, one]) for one in prompts(tower.width))
    slots = slots.clone()
    slots[3] = -1
    names, axes = ("ids", "mask", "slot", "words"), {0: "batch", 1: "length"}
    examples = dict(zip(names, (ids[:2], mask[:2], slots[:2], words[:2]), strict=True))
    dynamic = {"ids": axes, "mask": axes, "slot": {0: "batch"}, "words": {0: "batch"}}
    graph = trace(tower, examples, "features", dynamic=dynamic)
    onnx.save(graph, tmp_path / "tower.onnx")
    runner = OnnxRunner(tmp_path / "tower.onnx", Runtime())
    for size in (1, 3, 8):
        rows = (ids[:size], mask[:size], slots[:size], words[:size])
        wanted = tower(*rows).numpy()
        feeds = {name: row.numpy() for name, row in zip(names, rows, strict=True)}
        found = runner.run(feeds)["features"]
        np.testing.assert_allclose(found, wanted, atol=TOLERANCE, rtol=0)
