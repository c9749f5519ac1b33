"""From a model that others trained to its frozen text tower that takes word vectors."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from zscr.data.sources.archive import opened
from zscr.errors import InputError
from zscr.infer.inputs.sentence import Template
from zscr.train.encoders.checkpoint import load_clip_text
from zscr.train.encoders.library import loading_faults
from zscr.train.encoders.published import read_object
from zscr.train.encoders.resolve import DEFAULT_TEXT, packaged_minilm
from zscr.train.hub.checkpoint import find_checkpoint
from zscr.train.language.bodies import body_of, clip_body
from zscr.train.language.families import CausalText
from zscr.train.language.tower import Behind, LanguageTower
from zscr.train.pretrained.dual import DualEncoder, Tower
from zscr.train.pretrained.families import FAMILIES
from zscr.train.pretrained.files import hashes_of, weights_of
from zscr.train.pretrained.folder import open_dual
from zscr.train.pretrained.model import load_config, outline_of, require_fitting
from zscr.train.pretrained.open_clip import CONFIG
from zscr.train.pretrained.sentence import read_sentence_encoder
from zscr.train.pretrained.tokens import Tokens, positions_of, read_tokens, require_vocabulary

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

    @property
    def longest(self) -> int:
        """Tokens of a text that the tower reads, at most."""
        return min(int(self.spec["max_length"]), self.spec.get("pad_to") or sys.maxsize)

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
    found = find_checkpoint(str(source), weights=_WEIGHTS, offline=offline)
    with opened(found.path) as folder:
        config = read_object(folder / "config.json")
        if not config and (folder / CONFIG).is_file():
            return language_of(open_dual(folder), str(source))
        if config.get("model_type") == _TEXT_ALONE:
            return _clip_text(folder)
        if config.get("model_type") in FAMILIES or "vision_config" in config:  # or told by name
            return language_of(open_dual(folder), str(source))
        return _sentence(folder)


def language_of(dual: DualEncoder, source: str) -> Language:
    """Return the text tower of a dual encoder, which shares its weights.

    Raises:
        InputError: its text model takes no word vectors.
    """
    body = body_of(dual.text.module, source)
    return _language(body, dual.text, dual.family, dual.files, source)


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
    return _language(clip_body(model), tokens, FAMILIES["clip"].name, hashes, str(source))


def _sentence(source: Path) -> Language:
    """Load a sentence encoder."""
    text = read_sentence_encoder(source)
    body = body_of(text.tower, str(source))
    return _language(body, text.tokens, text.kind, text.files, str(source))


@torch.no_grad()
def _language(
    body: Any, fed: Tower | Tokens, family: str, sources: Mapping[str, str], source: str
) -> Language:
    """Put a body together with what feeds it, its tokenizer."""
    _require_end(body, fed, source)
    ids = torch.zeros(1, int(fed.spec.get("pad_to", 2)), dtype=torch.int64)
    dim = body(body.table(ids), ids, torch.ones_like(ids)).shape[1]
    return Language(LanguageTower(body, dim), fed.spec, fed.files, family, sources)


def _require_end(body: Any, fed: Tower | Tokens, source: str) -> None:
    """Refuse a tokenizer that does not end texts as a causal tower looks for their ends."""
    if not isinstance(body, CausalText):
        return
    ids = Tokenizer.from_buffer(fed.files[fed.spec["tokenizer"]]).encode("a").ids
    if body.end not in ids if body.end is not None else max(ids) != ids[-1]:
        wanted = "the highest id" if body.end is None else f"the id {body.end}"
        raise InputError(
            f"the tokenizer of {source} makes {ids} of the text 'a', and its text tower looks for "
            f"{wanted} at the end; they are of two models: fetch all files again"
        )
