"""Tokenizers of every age as one file of `tokenizers`: the ids that transformers gives."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import transformers

from tests.checkpoints import WORDS, bert_vocabulary, save_altclip, save_chinese_clip, save_dual
from zscr.infer.inputs.text import TextInput
from zscr.train.pretrained.samples import TEXTS
from zscr.train.pretrained.tokens import Tokens, positions_of, read_tokens

HARD = [*TEXTS, "A.B, c!", "(dog) [sea]", "x_y-z's", "▁a", "a  b\tc", "ﬁne ½ Å", "", "!!!"]


def ids_of(tokens: Tokens, folder: Path, texts: list[str]) -> list[list[int]]:
    """Return the ids that the runtime makes of each text alone."""
    for name, content in tokens.files.items():
        (folder / name).write_bytes(content)
    made = TextInput(tokens.spec, folder)
    return [made.prepare([text]).feeds["input_ids"][0].tolist() for text in texts]


def same(tokens: Tokens, folder: Path) -> None:
    expected = [tokens.tensors(text)["input_ids"][0].tolist() for text in HARD]
    assert ids_of(tokens, folder, HARD) == expected


@pytest.mark.parametrize("save", [save_chinese_clip, save_altclip, save_dual])
def test_the_runtime_reads_what_transformers_reads(
    tmp_path: Path, save: Callable[[Path], Path]
) -> None:
    """Of `vocab.txt` alone, and of a file that says how it normalises."""
    same(read_tokens(save(tmp_path / "published"), 20), tmp_path)


def test_a_sentence_piece_model_of_siglip_becomes_one_file(tmp_path: Path) -> None:
    """transformers has that tokenizer in Python alone: case, punctuation and spaces as there."""
    pieces = pytest.importorskip("sentencepiece", reason="reads sentence-piece models")
    model = io.BytesIO()
    letters = " ".join("abcdefghijklmnopqrstuvwxyz0123456789")
    pieces.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(WORDS)] * 50 + [letters] * 50),
        model_writer=model,
        vocab_size=70,
        hard_vocab_limit=False,
        pad_id=-1,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    path = tmp_path / "trained.model"
    path.write_bytes(model.getvalue())
    source = tmp_path / "published"
    transformers.SiglipTokenizer(str(path), model_input_names=["input_ids"]).save_pretrained(source)
    (source / "config.json").write_text('{"model_type": "siglip"}')
    tokens = read_tokens(source, 16, padded=True)
    assert type(tokens.tokenizer).__name__ == "SiglipTokenizer"
    same(tokens, tmp_path)
    assert tokens.spec["pad_to"] == 16


def test_texts_are_cut_at_the_least_limit(tmp_path: Path) -> None:
    """Of the tokenizer's own, the tower's places, and the processor's of its family."""
    source = save_chinese_clip(tmp_path / "published")
    lengths = [
        read_tokens(source, places, longest=longest).spec["max_length"]
        for places, longest in ((None, None), (20, None), (20, 12), (400, 300))
    ]
    assert lengths == [24, 20, 12, 24]


def test_places_are_counted_as_the_tower_counts_them(tmp_path: Path) -> None:
    """XLM-RoBERTa's begin behind the padding's id, BERT's at the first; Embedding tables say so."""
    altclip, bert = (
        transformers.AutoModel.from_pretrained(save(tmp_path / save.__name__))
        for save in (save_altclip, save_chinese_clip)
    )
    assert altclip.text_model.config.max_position_embeddings == 26
    assert positions_of(altclip.text_model) == 24
    assert positions_of(bert.text_model) == 24
    assert positions_of(bert.vision_model) == 17, "patches and the class token"


def test_padding_stands_where_the_tokenizer_puts_it(tmp_path: Path) -> None:
    """On the left, with its own id."""
    source = save_chinese_clip(tmp_path / "published")
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, padding_side="left")
    tokenizer.save_pretrained(source)
    tokens = read_tokens(source, 20, padded=True)
    [ids] = ids_of(tokens, tmp_path, ["a dog"])
    assert ids == tokens.tensors("a dog")["input_ids"][0].tolist()
    assert ids[0] == bert_vocabulary().index("[PAD]")
