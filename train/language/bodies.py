"""Which text models take word vectors, and each as a `Body`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from zscr.errors import InputError
from zscr.train.language.families import CausalText, FirstState, SentenceText, SiglipText
from zscr.train.pretrained.sentence import SentenceFeatures


def body_of(module: Any, source: str) -> nn.Module:
    """Return the text model of a dual encoder, or of a sentence encoder, from word vectors on.

    Args:
        module: the text tower's, which holds a model of transformers.
        source: what it was named by.

    Raises:
        InputError: it takes no word vectors.
    """
    model = module.model
    if isinstance(module, SentenceFeatures):
        _require_vectors(model, source)
        return SentenceText(model, module.pooling, module.after)
    kind = str(model.config.model_type)
    if kind not in _BODIES:
        raise InputError(
            f"the text tower of {source}, of the family {kind!a:.60}, takes no word vectors, so "
            f"no image can stand for a word; known are {', '.join(_BODIES)}"
        )
    if kind in _OF_BERT:
        _require_vectors(model.text_model, source)
    return _BODIES[kind](model)


def _require_vectors(model: Any, source: str) -> None:
    """Refuse a text model whose word vectors cannot be given in place of its ids."""
    if "inputs_embeds" not in inspect.signature(model.forward).parameters:
        raise InputError(
            f"the text model of {source}, a {type(model).__name__}, takes no word vectors, so no "
            f"image can stand for a word; take a model whose text tower is CLIP's or BERT's kind"
        )


def clip_body(model: Any) -> nn.Module:
    """Return the text model of a CLIP of transformers, or of its text tower alone."""
    text = model.text_model
    highest = text.eos_token_id == 2  # as transformers reads it: the end was the highest id then
    return CausalText(text, text.final_layer_norm, model.text_projection, highest=highest)


_OF_BERT = ("chinese_clip", "altclip", "align", "vision-text-dual-encoder")
_BODIES: Mapping[str, Callable[[Any], nn.Module]] = {
    "clip": clip_body,
    "metaclip_2": lambda model: CausalText(
        model.text_model, model.text_model.final_layer_norm, model.text_projection, highest=False
    ),
    "aimv2": lambda model: CausalText(
        model.text_model, model.text_model.rms_norm, model.text_projection, highest=False
    ),
    "siglip": lambda model: SiglipText(model.text_model),
    **dict.fromkeys(
        _OF_BERT[:3], lambda model: FirstState(model.text_model, model.text_projection)
    ),
    _OF_BERT[3]: lambda model: FirstState(model.text_model, model.text_projection, pooled=True),
}
