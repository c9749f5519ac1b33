"""From a model that others trained to its frozen text tower that takes word vectors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zscr.data.sources.archive import opened
from zscr.errors import InputError
from zscr.infer.inputs.sentence import Template
from zscr.train.encoders.checkpoint import load_clip_text
from zscr.train.encoders.library import loading_faults
from zscr.train.encoders.published import read_object
from zscr.train.encoders.resolve import DEFAULT_TEXT, packaged_minilm
from zscr.train.hub.checkpoint import find_checkpoint
from zscr.train.hub.snapshot import DESCRIPTIONS
from zscr.train.language.families import CausalText, FirstState, SentenceText, SiglipText
from zscr.train.language.tower import Behind, LanguageTower
from zscr.train.pretrained.dual import DualEncoder
from zscr.train.pretrained.families import FAMILIES
from zscr.train.pretrained.files import hashes_of, weights_of
from zscr.train.pretrained.folder import open_dual
from zscr.train.pretrained.model import load_config, outline_of, require_fitting
from zscr.train.pretrained.open_clip import CONFIG
from zscr.train.pretrained.sentence import SentenceFeatures, read_sentence_encoder
from zscr.train.pretrained.tokens import positions_of, read_tokens, require_vocabulary

SLOT_NAME = "slot"
_WEIGHTS = ("*.safetensors", "*.bin")
_TEXT_ALONE = "clip_text_model"


@dataclass(frozen=True)
class Language:
    """A frozen text tower with what feeds it.

    Attributes:
        tower: from tokens and word vectors to rows (B, D), not normalised.
        spec: the manifest's entry of an input of plain texts; files: that it names, by name.
        family: as its authors call it.
        sources: name -> sha256 of every file that it was read from.
    """

    tower: LanguageTower
    spec: Mapping[str, Any]
    files: Mapping[str, bytes]
    family: str
    sources: Mapping[str, str]

    def prompts(self, template: str, words: int = 1) -> dict[str, Any]:
        """Return the manifest's entry of an input of prompts, with K vectors for an image.

        Raises:
            InputError: the template has not one place for the image and one for the text.
        """
        names = [*self.spec["names"], SLOT_NAME]
        spec = {**self.spec, "kind": "prompt", "names": names}
        return spec | {"template": Template(template).text, "words": words}

    def ending_in(self, after: nn.Module, dim: int) -> Language:
        """Return the tower with a further module behind it, from rows (B, D) to (B, `dim`)."""
        tower = LanguageTower(Behind(self.tower.body, after), dim)
        return replace(self, tower=tower)


def open_language(source: str | Path, *, offline: bool | None = None) -> Language:
    """Load the text tower of a dual encoder, of a CLIP's text alone, or of a sentence encoder.

    Args:
        source: a folder or a hub's name, as `clip:NAME` takes it, or `all-MiniLM-L6-v2`.
        offline: ask no hub.

    Raises:
        ConfigError: nothing of that name is here or can be had.
        InputError: it is of no known kind, its text model takes no word vectors, or a part is
            missing or contradicts another.
        MissingExtraError: transformers is not installed.
    """
    if str(source) == DEFAULT_TEXT and not Path(source).exists():
        return _sentence(packaged_minilm())
    patterns = (*DESCRIPTIONS, "1_Pooling/*", "2_Dense/*")
    found = find_checkpoint(str(source), patterns=patterns, weights=_WEIGHTS, offline=offline)
    with opened(found.path) as folder:
        config = read_object(folder / "config.json")
        if not config and (folder / CONFIG).is_file():
            return language_of(open_dual(folder), str(source))
        if config.get("model_type") == _TEXT_ALONE:
            return _clip_text(folder)
        if config.get("model_type") in FAMILIES:
            return language_of(open_dual(folder), str(source))
        return _sentence(folder)


def language_of(dual: DualEncoder, source: str) -> Language:
    """Return the text tower of a dual encoder, which shares its weights.

    Raises:
        InputError: its text model takes no word vectors.
    """
    body = _body(dual.text.module, source)
    return _language(body, dual.text.spec, dual.text.files, dual.family, dual.files)


def _body(module: Any, source: str) -> nn.Module:
    """Return the text model of a dual encoder from word vectors on."""
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


def _clip(model: Any) -> nn.Module:
    text = model.text_model
    highest = text.eos_token_id == 2  # as transformers reads it: the end was the highest id then
    return CausalText(text, text.final_layer_norm, model.text_projection, highest=highest)


_OF_BERT = ("chinese_clip", "altclip", "align", "vision-text-dual-encoder")
_BODIES: Mapping[str, Callable[[Any], nn.Module]] = {
    "clip": _clip,
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


def _clip_text(source: Path) -> Language:
    """Load a CLIP's text tower that was saved without its images'."""
    config, weights = load_config(source), weights_of(source)
    with loading_faults(source):
        model = load_clip_text(source)
    outline = outline_of(source, config)
    require_fitting(outline, "text", source)
    tokens = read_tokens(source, positions_of(outline))
    require_vocabulary(tokens, outline, source)
    hashes = hashes_of(source, weights)
    return _language(_clip(model), tokens.spec, tokens.files, FAMILIES["clip"].name, hashes)


def _sentence(source: Path) -> Language:
    """Load a sentence encoder."""
    text = read_sentence_encoder(source)
    _require_vectors(text.tower.model, str(source))
    body = SentenceText(text.tower.model, text.tower.pooling, text.tower.after)
    return _language(body, text.tokens.spec, text.tokens.files, text.kind, text.files)


@torch.no_grad()
def _language(
    body: Any,
    spec: Mapping[str, Any],
    files: Mapping[str, bytes],
    family: str,
    sources: Mapping[str, str],
) -> Language:
    ids = torch.zeros(1, int(spec.get("pad_to", 2)), dtype=torch.int64)
    dim = body(body.table(ids), ids, torch.ones_like(ids)).shape[1]
    return Language(LanguageTower(body, dim), spec, files, family, sources)
