"""Token states as rows: those of transformers, whatever stands beside a text, and zeros behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from tests.checkpoints import save_clip
from zscr.data.collection import Collection, read_collection
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.encoder import load_encoder
from zscr.infer.features.split import load_split
from zscr.train.encoders.resolve import token_encoder
from zscr.train.encoders.text_graph import input_spec
from zscr.train.encoders.token_states import LONGEST, convert_token_encoder
from zscr.train.methods.contract import Need

TEXTS = ["a small red circle on grey ground", "a blue bird", "a", "small " * 40]
LENGTH = 9


@pytest.fixture(params=["bert", "clip"])
def published(request: Any, tiny_bert: Path, tmp_path: Path) -> Path:
    return tiny_bert if request.param == "bert" else save_clip(tmp_path / "clip")


def states_of(folder: Path, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return what transformers makes of one text without padding (1, L, W)."""
    model: Any = transformers.AutoModel.from_pretrained(folder)
    model = getattr(model, "text_model", model).eval()
    with torch.no_grad():
        found = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
    return found.last_hidden_state.numpy()


def test_states_are_those_of_transformers(published: Path, tmp_path: Path) -> None:
    """Of each text alone; beside longer ones they are the same, and zeros follow."""
    convert_token_encoder(published, tmp_path / "out", "states", LENGTH)
    encoder = load_encoder(tmp_path / "out")
    together = encoder.encode([Query(text=text) for text in TEXTS])
    assert (together.dtype, together.shape) == (np.float16, (4, LENGTH, 32))
    for text, row in zip(TEXTS, together, strict=True):
        alone = encoder.prepare([Query(text=text)]).feeds
        expected = states_of(published, alone["input_ids"], alone["attention_mask"])[0]
        assert np.abs(row[: len(expected)] - expected).max() < 3e-3
        assert row[: len(expected)].any(1).all()
        assert not row[len(expected) :].any()
        assert np.abs(encoder.run(alone)[0] - row).max() < 2e-3
    assert len(expected) == LENGTH  # the last one is cut


def test_a_text_is_not_read_beyond_what_the_model_has_places_for(tiny_bert: Path) -> None:
    assert input_spec(tiny_bert, LONGEST)["max_length"] == 16


def test_descriptions_are_encoded_once_and_those_that_are_cut_are_told(
    shapes: Path, tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By way of a need, as a method has it."""
    collection = read_collection(shapes)
    folder = token_encoder(str(tiny_bert), length=5)
    need = Need("description", encoder=lambda _: folder, texts=_described)
    tables = {"description": load_encoder(folder)}
    for told in (True, False):
        split = load_split(collection, "seen", [need], tables, tmp_path / "store")
        said = capsys.readouterr().err
        assert "6 of 12 texts are longer than" in said
        assert ("features (" in said) is told
    rows = split["description"].rows
    assert (rows.shape, rows.dtype, split["description"].starts.tolist()[-1]) == (
        (12, 5, 32),
        np.float16,
        12,
    )


def _described(collection: Collection, split: str) -> dict[str, list[str]]:
    return {
        name: ["a circle", f"a large {name} on grey ground"] for name in collection.splits[split]
    }


def test_an_encoder_of_whole_texts_has_no_tokens(tiny_text: Path) -> None:
    with pytest.raises(InputError, match="a frozen encoder of whole texts; name the model that"):
        token_encoder(str(tiny_text))
