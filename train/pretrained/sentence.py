"""Text towers that were trained apart, into the space of another model's images.

A sentence encoder of many languages learns the text embeddings of CLIP (Reimers and Gurevych 2020):
token states, pooled (`1_Pooling`), and projected to CLIP's width (`2_Dense`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

from zscr.errors import InputError
from zscr.train.encoders.library import loading_faults
from zscr.train.encoders.published import read_object
from zscr.train.encoders.stages import pooling_of, stages_of
from zscr.train.pretrained.dual import DualEncoder, Reference, Rows, Tower, Unit, rows_of
from zscr.train.pretrained.files import Weights, hashes_of, weights_of
from zscr.train.pretrained.model import (
    eager,
    load_config,
    load_model,
    outline_of,
    read_tensors,
    require_fitting,
)
from zscr.train.pretrained.tokens import Tokens, positions_of, read_tokens, require_vocabulary

_ACTIVATIONS = {"Identity": nn.Identity, "Tanh": nn.Tanh, "ReLU": nn.ReLU, "GELU": nn.GELU}
_AFTER = ("Dense", "Normalize")  # what may follow the pooling
_UNUSED = ("pooler.",)  # of BERT: a layer behind the states, which pooling does without


class SentenceFeatures(nn.Module):
    """ids and mask -> rows (B, D): token states, pooled, and passed through the further stages."""

    def __init__(self, model: Any, pooling: str, after: Sequence[nn.Module]) -> None:
        super().__init__()
        self.model, self.pooling, self.after = model, pooling, nn.Sequential(*after)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Map int64 (B, L) each -> (B, D)."""
        named = {"input_ids": input_ids, "attention_mask": attention_mask}
        states = self.model(**named).last_hidden_state
        rows: torch.Tensor = self.after(pooled(states, attention_mask, self.pooling))
        return rows


def pooled(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Pool token states (B, L, W) -> (B, W): their `mean` over the mask, or the first (`cls`)."""
    if pooling != "mean":
        return states[:, 0]
    weights = mask.unsqueeze(2).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


@dataclass(frozen=True)
class _Joined:
    """The reference of a text tower beside that of another model's images."""

    tower: SentenceFeatures
    tokens: Tokens
    other: Reference

    def texts(self, texts: Sequence[str]) -> Rows:
        return rows_of(self.tower(**self.tokens.tensors(text)) for text in texts)

    def images(self, images: Sequence[Image.Image]) -> Rows:
        return self.other.images(images)


def with_text_tower(dual: DualEncoder, source: Path) -> DualEncoder:
    """Return a dual encoder with the text tower of another folder.

    Args:
        dual: whose images are embedded as before.
        source: a sentence encoder that was trained for their space.

    Raises:
        InputError: the folder is no such encoder, or a part is missing or contradicts another.
    """
    if not stages_of(source):
        raise InputError(f"{source} is no text tower: its modules.json lists no stages")
    text = read_sentence_encoder(source)
    return replace(
        dual,
        family=f"{dual.family}, its texts by {text.kind}",
        text=Tower(text.tower, text.tokens.spec, text.tokens.files),
        reference=_Joined(text.tower, text.tokens, dual.reference),
        files={**dual.files, **{f"text-tower/{name}": one for name, one in text.files.items()}},
    )


@dataclass(frozen=True)
class SentenceEncoder:
    """A sentence encoder of transformers.

    Attributes:
        tower: from ids and mask to rows; tokens: what feeds it.
        kind: the `model_type` of its transformer.
        files: name -> sha256 of every file that it was read from.
    """

    tower: SentenceFeatures
    tokens: Tokens
    kind: str
    files: Mapping[str, str]


def read_sentence_encoder(source: Path) -> SentenceEncoder:
    """Read a folder of sentence-transformers; one without a list of stages ends in unit rows.

    Raises:
        InputError: the folder is no such encoder, or a part is missing or contradicts another.
    """
    stages, body = _stages(source)
    config, weights = load_config(body), weights_of(body)
    outline = outline_of(body, config)
    require_fitting(outline, "text", source)
    limit = read_object(body / "sentence_bert_config.json")
    if limit.get("do_lower_case"):
        raise InputError(f"{source} lowers the case before its tokenizer, which is not supported")
    tokens = read_tokens(body, positions_of(outline), longest=limit.get("max_seq_length"))
    require_vocabulary(tokens, outline, source)
    if len(tokens.spec["names"]) != 2:
        raise InputError(f"the tokenizer of {source} makes no mask, by which states are pooled")
    model = load_model(body, config, weights, unused=_UNUSED)
    tower = SentenceFeatures(model, pooling_of(source), [stage.module for stage in stages])
    eager(tower)
    files = hashes_of(source, weights, *(one.weights for one in stages if one.weights))
    return SentenceEncoder(tower, tokens, config.model_type, files)


@dataclass(frozen=True)
class _Stage:
    """What rows pass through behind the pooling, and the weights that it was read from."""

    module: nn.Module
    weights: Weights | None = None


def _stages(source: Path) -> tuple[list[_Stage], Path]:
    """Return the stages behind the pooling, and the folder of the transformer before it."""
    stages = stages_of(source) or [("Transformer", ""), ("Pooling", ""), ("Normalize", "")]
    kinds = [kind for kind, _ in stages]
    if kinds[:2] != ["Transformer", "Pooling"] or not {*kinds[2:]} <= {*_AFTER}:
        raise InputError(
            f"{source} is no text tower: its modules.json lists {kinds}, not a "
            f"Transformer, a Pooling and then any of {' and '.join(_AFTER)}"
        )
    folders = [_inside(source, path) for _, path in stages]
    pairs = list(zip(kinds, folders, strict=True))[2:]
    after = [_dense(folder) if kind == "Dense" else _Stage(Unit()) for kind, folder in pairs]
    return after, folders[0]


def _inside(source: Path, path: str) -> Path:
    """Return a stage's folder, which a stranger named."""
    folder = source / path
    if not folder.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{source / 'modules.json'} names {path!a:.80}, which is outside of it")
    return folder


def _dense(folder: Path) -> _Stage:
    """Read a layer `x -> activation(x W^T + b)`."""
    config, weights = read_object(folder / "config.json"), weights_of(folder)
    name = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    kind = name.rsplit(".", 1)[-1]
    if kind not in _ACTIVATIONS or config.get("use_residual"):
        raise InputError(f"{folder} has the activation {name!a:.80}, or a residual; not supported")
    with loading_faults(folder):
        held = read_tensors(weights)
        matrix = held.pop("linear.weight")
        bias = held.pop("linear.bias", None)
        layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=bias is not None)
        layer.load_state_dict({"weight": matrix} | ({} if bias is None else {"bias": bias}))
    return _Stage(nn.Sequential(layer, _ACTIVATIONS[kind]()), weights)
