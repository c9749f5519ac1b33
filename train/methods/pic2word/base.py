"""The frozen dual encoder that a mapper stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from zscr.train.language.language import Language


@dataclass(frozen=True)
class Base:
    """A dual encoder whose text side takes word vectors. It is no part of what is trained on it.

    Attributes:
        image, text: from rows of the frozen encoders (B, I) and (B, T) to embeddings (B, D) of one
            space, not normalised.
        language: the text side again, from ids and word vectors to the embeddings of `text`.
        encoders: `image` and `text`, the folders of the frozen encoders.
        scale: inverse temperature that it was trained with; sha256: of what it was read from.
    """

    image: nn.Module
    text: nn.Module
    language: Language
    encoders: Mapping[str, Path]
    scale: float
    sha256: str

    @property
    def tokenizer(self) -> bytes:
        """The file of the text side's tokenizer."""
        return self.language.files[self.language.spec["tokenizer"]]
