"""A checkpoint's tokenizer as one file of `tokenizers`, and how its tower is fed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from zscr.errors import InputError, MissingExtraError
from zscr.train.encoders.library import loading_faults
from zscr.train.encoders.published import check_input
from zscr.train.encoders.text_graph import TOKENS
from zscr.train.pretrained.files import require_tokenizer
from zscr.train.pretrained.model import transformers
from zscr.train.pretrained.spelling import siglip_backend

FILE = "tokenizer.json"
_ENDLESS = 1 << 20  # transformers writes 1e30 where it knows no limit


@dataclass(frozen=True)
class Tokens:
    """How texts become the ids that a tower takes.

    Attributes:
        tokenizer: transformers' own.
        spec: the manifest's entry of the graph's input.
        files: that `spec` names, by name.
    """

    tokenizer: Any
    spec: Mapping[str, Any]
    files: Mapping[str, bytes]

    def tensors(self, text: str) -> dict[str, Any]:
        """Return what transformers makes of one text, by the names of the tower's inputs."""
        made = self.tokenizer(
            text,
            truncation=True,
            max_length=self.spec["max_length"],
            padding="max_length" if "pad_to" in self.spec else False,
            return_tensors="pt",
        )
        return {name: made[name] for name in self.spec["names"]}


def read_tokens(
    source: Path, positions: int | None, *, padded: bool = False, longest: int | None = None
) -> Tokens:
    """Read the tokenizer of a folder.

    Args:
        source: of the checkpoint.
        positions: tokens that the tower has places for; None if it has no such limit.
        padded: whether every text is padded to the longest that is allowed.
        longest: tokens that the family's processor allows.

    Raises:
        InputError: there is no tokenizer, or none that can be one file of `tokenizers`.
    """
    require_tokenizer(source)
    tokenizer = _loaded(source)
    limits = [tokenizer.model_max_length, positions, longest]
    known = [n for n in limits if isinstance(n, int | float) and 0 < n < _ENDLESS]
    length = int(min(known, default=512))
    spec: dict[str, Any] = {**TOKENS, "tokenizer": FILE, "max_length": length}
    spec["names"] = _inputs(tokenizer)
    spec["shape"] = ["batch", length if padded else "length"]
    if padded:
        spec["pad_to"] = length
    check_input(spec, source)
    return Tokens(tokenizer, spec, {FILE: _file(tokenizer, source)})


def _loaded(source: Path) -> Any:
    """Load a tokenizer by its own class."""
    with loading_faults(source, "folder whose tokenizer can be loaded"):
        try:
            return transformers().AutoTokenizer.from_pretrained(
                source, trust_remote_code=False, local_files_only=True
            )
        except ImportError as error:
            if "sentencepiece" not in str(error).lower():
                raise
            raise MissingExtraError(f"the sentence-piece model of {source}", "text") from error


def _inputs(tokenizer: Any) -> list[str]:
    """Return the inputs that a tokenizer makes: a tower trained on padding is given no mask."""
    known: Sequence[str] = TOKENS["names"]
    return [name for name in known if name in tokenizer.model_input_names]


def _file(tokenizer: Any, source: Path) -> bytes:
    """Write a tokenizer as one file, which says at which end it cuts and pads."""
    backend = getattr(tokenizer, "backend_tokenizer", None) or siglip_backend(tokenizer)
    if backend is None:
        raise InputError(
            f"the tokenizer of {source}, a {type(tokenizer).__name__}, has no form that runs "
            f"without transformers; add its tokenizer.json"
        )
    backend.enable_truncation(_ENDLESS, direction=tokenizer.truncation_side)
    pad = tokenizer.pad_token_id
    token = tokenizer.pad_token if pad is not None else "[PAD]"
    backend.enable_padding(direction=tokenizer.padding_side, pad_id=pad or 0, pad_token=token)
    written: str = backend.to_str()
    return written.encode()


def positions_of(tower: nn.Module) -> int | None:
    """Return how many tokens a tower has learned places for; None if it has no such table.

    RoBERTa counts its places from behind the padding's id on, so has that many less.
    """
    for name, module in tower.named_modules():
        if isinstance(module, nn.Embedding) and name.endswith(
            ("position_embedding", "position_embeddings")
        ):
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - first
    return None


def require_vocabulary(tokens: Tokens, tower: Any, source: Path) -> None:
    """Refuse a tokenizer that makes ids for which a tower of transformers has no embedding."""
    rows = tower.get_input_embeddings().num_embeddings
    highest = max(tokens.tokenizer.get_vocab().values(), default=-1)
    if highest >= rows:
        raise InputError(
            f"the tokenizer of {source} makes ids up to {highest}, and its text tower knows {rows} "
            f"tokens; they are of two models: fetch all files again"
        )
