"""CLIP's text tower as a frozen encoder: the rows that transformers gives, text by text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
)

from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.encoder import Encoder, load_encoder
from zscr.train.encoders.text import convert_text_encoder

WORDS = "! a photo of red blue bird house".split()
START, END = "<|startoftext|>", "<|endoftext|>"
TEXTS = Query.of(
    "text",
    ["a photo of a red bird", "bird", "", "a blue house of a bird ! a photo of a red house"],
)
VISION = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
VISION |= {"intermediate_size": 16, "image_size": 8, "patch_size": 4}


def configure(eos: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(WORDS) + 2,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=10,
        projection_dim=24,
        bos_token_id=len(WORDS),
        eos_token_id=eos,
        pad_token_id=1,
    )


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that saves a model as hubs carry it, with a tokenizer in CLIP's manner."""

    def make(model: torch.nn.Module) -> Path:
        folder = tmp_path / "published"
        model.save_pretrained(folder)
        numbers = {word: number for number, word in enumerate([*WORDS, START, END])}
        tokenizer = Tokenizer(models.WordLevel(numbers, "!"))
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        ends = [(START, numbers[START]), (END, numbers[END])]
        tokenizer.post_processor = processors.TemplateProcessing(f"{START} $A {END}", None, ends)
        tokenizer.save(str(folder / "tokenizer.json"))
        return folder

    return make


def convert(folder: Path, out: Path) -> Encoder:
    convert_text_encoder(folder, out, "clip")
    return load_encoder(out)


def rows_of(folder: Path, encoder: Encoder) -> np.ndarray:
    """Run transformers on each text alone, so without padding."""
    model = CLIPTextModelWithProjection.from_pretrained(folder).eval()
    rows = []
    for text in TEXTS:
        ids = torch.from_numpy(encoder.prepare([text]).feeds["input_ids"])
        with torch.no_grad():
            rows.append(model(input_ids=ids).text_embeds[0])
    return torch.nn.functional.normalize(torch.stack(rows)).numpy()


@pytest.mark.parametrize("eos", [len(WORDS) + 1, 2], ids=["end token", "older config"])
def test_rows_are_those_of_transformers(
    save: Callable[..., Path], tmp_path: Path, eos: int
) -> None:
    """One batch of very different lengths, padded by a token of the vocabulary."""
    torch.manual_seed(7)
    folder = save(CLIPTextModelWithProjection(configure(eos)))
    encoder = convert(folder, tmp_path / "out")
    found, expected = encoder.encode(TEXTS), rows_of(folder, encoder)
    assert found.shape == (4, 24)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 0.05
    assert encoder.prepare(TEXTS).truncated == (3,)
    assert encoder.prepare(TEXTS).feeds["input_ids"].shape == (4, 10)


def test_a_whole_clip_gives_its_text_tower(save: Callable[..., Path], tmp_path: Path) -> None:
    """The image's tower is not loaded; lengths are limited by the tokenizer's own statement."""
    torch.manual_seed(7)
    text = configure(len(WORDS) + 1).to_dict()
    whole = CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=24))
    folder = save(whole)
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 9}))
    encoder = convert(folder, tmp_path / "out")
    np.testing.assert_allclose(encoder.encode(TEXTS), rows_of(folder, encoder), atol=1e-5)
    assert encoder.specs[0]["max_length"] == 9


def test_a_tower_without_its_projection_is_refused(
    save: Callable[..., Path], tmp_path: Path
) -> None:
    """transformers would draw the projection at random and go on."""
    folder = save(CLIPTextModel(configure(len(WORDS) + 1)))
    with pytest.raises(InputError, match="lacks text_projection"):
        convert(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
