"""A tokenizer for a text tower trained from scratch: byte pairs of the texts that are trained on.

Byte pair encoding (Sennrich et al., ACL 2016) over bytes (Radford et al. 2019), so that no text has
an unknown character; its vocabulary comes from the seen texts alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

from zscr.train.encoders.text_graph import TOKENS

PAD, START, END = SPECIAL = ("[PAD]", "[START]", "[END]")  # ids 0 to 2
FILE = "tokenizer.json"


def fit_bpe(texts: Sequence[str], vocabulary: int) -> bytes:
    """Train a tokenizer of lower-cased texts, which begin with START and end with END.

    Args:
        texts: to train on; vocabulary: tokens at most, of which 256 are bytes.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,  # a pair of a single text teaches nothing
        special_tokens=[*SPECIAL],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(token, SPECIAL.index(token)) for token in (START, END)]
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(f"{START} $A {END}", None, ends),
        ]
    )
    return tokenizer.to_str(pretty=True).encode()


def bpe_spec(length: int) -> dict[str, Any]:
    """Return the manifest's entry of the input; a text has at most `length` tokens."""
    return TOKENS | {"shape": ["batch", "length"], "tokenizer": FILE, "max_length": length}
