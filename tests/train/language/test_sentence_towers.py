"""MiniLM, with its real weights, takes a vector for a word before positions and LayerNorm."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer

from tests.checkpoints import SAVE, save_text_tower
from zscr.errors import InputError
from zscr.train.encoders.resolve import packaged_minilm
from zscr.train.language.language import Language, open_language
from zscr.train.language.tower import LanguageTower
from zscr.train.pretrained.folder import open_dual
from zscr.train.pretrained.sentence import read_sentence_encoder

TEXTS = ["a photo of a bird by the sea", "a red dog", "two small houses at night in the snow"]
SLOTS = torch.tensor([5, 2, 3])  # bird, red, houses
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def minilm() -> Language:
    """Return the tower of the package."""
    return open_language("all-MiniLM-L6-v2")


@pytest.fixture(scope="module")
def published() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, nn.Module]:
    """Return ids and mask, the rows that the model's card asks for, and transformers' model."""
    model = AutoModel.from_pretrained(packaged_minilm()).eval().requires_grad_(False)
    given = AutoTokenizer.from_pretrained(packaged_minilm())(
        TEXTS, padding=True, return_tensors="pt"
    )
    return given["input_ids"], given["attention_mask"], card_rows(model, given), model


def card_rows(model: Any, given: Any) -> torch.Tensor:
    """Embed as the model's card says: the mean of the states that are no padding, of length 1."""
    states = model(input_ids=given["input_ids"], attention_mask=given["attention_mask"])[0]
    kept = given["attention_mask"][:, :, None].float()
    return functional.normalize((states * kept).sum(1) / kept.sum(1), dim=1)


def test_a_words_own_vector_is_the_word(minilm: Language, published: Any) -> None:
    """At its own place in each row, and no vector at all is the plain text."""
    ids, mask, wanted, _ = published
    own = minilm.tower.embeddings(ids)[torch.arange(3), SLOTS][:, None]
    assert (minilm.tower(ids, mask, SLOTS, own) - wanted).abs().max() <= TOLERANCE
    none = minilm.tower(ids, mask, torch.full((3,), -1), own * 9)
    assert (none - wanted).abs().max() <= TOLERANCE


def test_a_vector_is_what_a_hook_puts_in(minilm: Language, published: Any) -> None:
    """Into what transformers' embedding layer gives."""
    ids, mask, plain, model = published
    words = torch.randn(3, 1, 384, generator=torch.Generator().manual_seed(5)) * 0.1

    def put(layer: nn.Module, given: Any, found: torch.Tensor) -> torch.Tensor:
        return found.index_put((torch.arange(3), SLOTS), words[:, 0])

    with model.embeddings.word_embeddings.register_forward_hook(put):
        wanted = card_rows(model, {"input_ids": ids, "attention_mask": mask})
    found = minilm.tower(ids, mask, SLOTS, words)
    assert (found - wanted).abs().max() <= TOLERANCE
    assert (found - plain).abs().max() > 0.01


class _FirstToken(nn.Module):
    """A body whose rows are pooled from the first token."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.model, self.table, self.after = body.model, body.table, body.after

    def forward(self, vectors: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts."""
        states = self.model(inputs_embeds=vectors, attention_mask=mask).last_hidden_state
        rows: torch.Tensor = self.after(states[:, 0])
        return rows


def test_another_pooling_mask_or_place_is_seen(minilm: Language, published: Any) -> None:
    """The first token's state, padding that is read, and vectors behind the LayerNorm."""
    ids, mask, wanted, model = published
    own = minilm.tower.embeddings(ids)[torch.arange(3), SLOTS][:, None]
    first = LanguageTower(_FirstToken(minilm.tower.body), 384)
    late = model.embeddings(ids)[torch.arange(3), SLOTS][:, None]
    for rows in (
        first(ids, mask, SLOTS, own),
        minilm.tower(ids, torch.ones_like(mask), SLOTS, own),
        minilm.tower(ids, mask, SLOTS, late),
    ):
        assert (rows - wanted).abs().max() > 1e-3


def test_a_projection_may_end_a_tower(minilm: Language, published: Any) -> None:
    """As of a run that projects a frozen sentence encoder."""
    ids, mask, wanted, _ = published
    matrix = nn.Linear(384, 24, bias=False)
    tower = minilm.ending_in(matrix, 24).tower
    assert (tower.dim, tower.width) == (24, 384)
    own = tower.embeddings(ids)[:, :1]
    found = tower(ids, mask, torch.zeros(3, dtype=torch.int64), own)
    assert (found - wanted @ matrix.weight.T).abs().max() <= TOLERANCE


@pytest.mark.parametrize("family", [*SAVE, "text-tower"])
def test_every_family_takes_word_vectors(tmp_path: Path, family: str) -> None:
    """A word's own vector changes nothing, another one does; padding included where it is read."""
    save: Callable[[Path], Path] = SAVE.get(family, save_text_tower)
    source = save(tmp_path / "published")
    language = open_language(source)
    length = language.spec.get("pad_to", 6)
    ids = torch.randint(6, 40, (2, length), generator=torch.Generator().manual_seed(1))
    end = getattr(language.tower.body, "end", None)  # of CLIP's kin; else the highest id ends
    ids[:, 4] = language.tower.body.table.num_embeddings - 1 if end is None else end
    mask = torch.tensor([[1] * length, [1] * 5 + [0] * (length - 5)])
    inputs = (ids, mask)[: len(language.spec["names"])]
    text = read_sentence_encoder(source).tower if family == "text-tower" else None
    wanted = (text or open_dual(source).text.module)(*inputs)
    slots = torch.tensor([1, 2])
    own = language.tower.embeddings(ids)[torch.arange(2), slots][:, None]
    assert (language.tower(ids, mask, slots, own) - wanted).abs().max() <= TOLERANCE
    assert (language.tower(ids, mask, slots, own.flip(0)) - wanted).abs().max() > 0.01


def test_a_text_model_without_word_vectors_is_refused(tmp_path: Path) -> None:
    """CLIP's own text model behind another image tower takes ids alone."""
    import transformers

    source = SAVE["vision-text-dual-encoder"](tmp_path / "published")
    text = transformers.CLIPTextConfig(
        vocab_size=100,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=24,
        eos_token_id=5,
    )
    vision = transformers.AutoConfig.from_pretrained(source).vision_config
    config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
        vision, text, projection_dim=24
    )
    transformers.VisionTextDualEncoderModel(config).save_pretrained(source)
    with pytest.raises(InputError, match="takes no word vectors"):
        open_language(source)


@pytest.mark.parametrize("kind", ["siglip2", "blip", "flava"])
def test_other_families_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    """Not as sentence encoders that lack something."""
    content = {"model_type": kind, "vision_config": {}, "text_config": {}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"SigLIP 2|of the family '(blip|flava)', which is not"):
        open_language(tmp_path)
