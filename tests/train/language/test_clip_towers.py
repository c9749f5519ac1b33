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
import transformers

from tests.checkpoints import clip_tokenizer, save_clip, xlm_tokenizer
from tests.export.pretrained.native_clip import save_native
from tests.train.language.clip_towers import (
    MISTAKES,
    SHAPES,
    clip_text,
    hooked,
    prompts,
    tower_of,
)
from zscr.errors import InputError
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.runner import Runtime
from zscr.train.encoders.onnx import trace
from zscr.train.encoders.raw import NO_TOKEN, SLOT
from zscr.train.language.language import open_language

TOLERANCE = 1e-4  # of a component


def difference(model: Any, rows: torch.Tensor) -> float:
    """Return how far rows of the four sentences are from transformers', in the worst component."""
    ids, _, slots, words = prompts(rows.shape[1])
    return float((rows - hooked(model, ids, slots, words)).abs().max())


@pytest.mark.parametrize("shape", SHAPES)
def test_composed_and_plain_texts_are_transformers(
    text_model: Callable[[str], Any], shape: str
) -> None:
    """Each row with its slot elsewhere; without a slot it is the plain text."""
    model = text_model(shape)
    tower = tower_of(model)
    ids, mask, slots, words = prompts(tower.width)
    found, plain = tower(ids, mask, slots, words), model(input_ids=ids).text_embeds
    assert difference(model, found) <= TOLERANCE
    assert (found - plain).abs().max() > 0.01, "the vector says something"
    for given in (words, torch.cat([words, words], 1)):  # one vector, and two next to each other
        without = tower(ids, mask, torch.full_like(slots, -1), given)
        assert (without - plain).abs().max() <= TOLERANCE


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_seen(text_model: Callable[[str], Any], mistake: str) -> None:
    """By the same measure and tolerance."""
    model = text_model("B/32")
    assert difference(model, MISTAKES[mistake](model, prompts(512))) > TOLERANCE


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


def test_the_graph_is_the_tower(tmp_path: Path) -> None:
    """onnxruntime in batches of 1, 3 and 8, with slots at many places and none among them."""
    tower = tower_of(clip_text("L/14", layers=1, vocabulary=1000))
    ids, mask, slots, words = (torch.cat([one, one]) for one in prompts(tower.width, 1000))
    slots[3] = -1
    names, axes = ("ids", "mask", "slot", "words"), {0: "batch", 1: "length"}
    examples = dict(zip(names, (ids[:2], mask[:2], slots[:2], words[:2]), strict=True))
    dynamic = {"ids": axes, "mask": axes, "slot": {0: "batch"}, "words": {0: "batch"}}
    onnx.save(trace(tower, examples, "features", dynamic=dynamic), tmp_path / "tower.onnx")
    runner = OnnxRunner(tmp_path / "tower.onnx", Runtime())
    for size in (1, 3, 8):
        rows = (ids[:size], mask[:size], slots[:size], words[:size])
        feeds = {name: row.numpy() for name, row in zip(names, rows, strict=True)}
        found = runner.run(feeds)["features"]
        np.testing.assert_allclose(found, tower(*rows).numpy(), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("quick", [True, False])
def test_open_clips_own_folder_is_its_own_code(tmp_path: Path, quick: bool) -> None:
    """Two implementations: ours behind transformers' names, and CLIP as OpenCLIP lays it out."""
    native = save_native(tmp_path, quick).eval().requires_grad_(False)
    language = open_language(tmp_path)
    ids = torch.randint(1, 500, (3, 8), generator=torch.Generator().manual_seed(2))
    ids[:, 6:] = native.token_embedding.num_embeddings - 1
    slots, words = torch.tensor([1, 3, 5]), torch.randn(3, 1, language.tower.width)
    table = native.token_embedding.register_forward_hook(
        lambda layer, given, found: found.index_put((torch.arange(3), slots), words[:, 0])
    )
    wanted = native.encode_text(ids)
    table.remove()
    found = language.tower(ids, torch.ones_like(ids), slots, words)
    assert (found - wanted).abs().max() <= TOLERANCE
    assert (found - native.encode_text(ids)).abs().max() > 0.01


def test_a_text_tower_alone_is_a_language(tmp_path: Path) -> None:
    """As `CLIPTextModelWithProjection` is saved."""
    clip_tokenizer(30).save_pretrained(tmp_path)
    config = transformers.CLIPTextConfig(
        vocab_size=547,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=20,
        projection_dim=24,
        eos_token_id=546,
    )
    transformers.CLIPTextModelWithProjection(config).save_pretrained(tmp_path)
    language = open_language(tmp_path)
    assert (language.tower.width, language.tower.dim) == (32, 24)
    assert language.spec["max_length"] == 20


@pytest.mark.parametrize("end", [3, 2], ids=["the id 3", "the highest id"])
def test_a_tokenizer_that_ends_elsewhere_is_refused(tmp_path: Path, end: int) -> None:
    """The tower would read the first token of every text."""
    save_clip(tmp_path, eos_token_id=end, vocab_size=600)
    if end == 2:  # XLM's vocabulary, whose end has a low id
        xlm_tokenizer(20).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"looks for the .*id.* at the end; they are of two"):
        open_language(tmp_path)
