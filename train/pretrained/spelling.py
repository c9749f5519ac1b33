"""SigLIP's tokenizer, which transformers has in Python alone, as one of `tokenizers`."""

from __future__ import annotations

import string
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

_PUNCTUATION = "[" + "".join(f"\\{sign}" for sign in string.punctuation) + "]"


def siglip_backend(tokenizer: Any) -> Tokenizer | None:
    """Return the same tokenizer in Rust; None if it is another family's.

    It lowers the case, drops ASCII punctuation and joins spaces before sentence-piece's own
    normalisation, and ends every text with its end token (big_vision's `canonicalize_text`).
    """
    if type(tokenizer).__name__ != "SiglipTokenizer":
        return None
    from sentencepiece import sentencepiece_model_pb2

    messages: Any = sentencepiece_model_pb2  # whose classes are made when it is imported
    published = messages.ModelProto.FromString(tokenizer.sp_model.serialized_model_proto())
    unknown = tokenizer.sp_model.unk_id()
    backend = Tokenizer(models.Unigram([(p.piece, p.score) for p in published.pieces], unknown))
    lower = [normalizers.Lowercase()] if tokenizer.do_lower_case else []
    charsmap = published.normalizer_spec.precompiled_charsmap
    own = [normalizers.Precompiled(charsmap)] if charsmap else []
    backend.normalizer = normalizers.Sequence(
        [
            *lower,
            normalizers.Replace(Regex(_PUNCTUATION), ""),
            *own,
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    end = (tokenizer.eos_token, tokenizer.eos_token_id)
    backend.post_processor = processors.TemplateProcessing(f"$A {end[0]}", None, [end])
    backend.decoder = decoders.Metaspace()
    return backend
