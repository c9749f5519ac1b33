"""A dual encoder that others trained: two towers, how each is fed, and what they are checked by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

from zscr.errors import InputError
from zscr.train.pretrained.pixels import Pixels
from zscr.train.pretrained.tokens import Tokens

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tower:
    """One side of a dual encoder.

    Attributes:
        module: takes the inputs of `spec` in their order, gives rows (B, D), not normalised.
        spec: the manifest's entry of its input.
        files: that the entry names, by name.
    """

    module: nn.Module
    spec: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)


class Reference(Protocol):
    """What the authors' own code makes of texts and images; the proof of parity compares with it.

    Each is embedded alone, so that neither a batch nor its padding has a say.
    """

    def texts(self, texts: Sequence[str]) -> Rows:
        """Embed N texts -> (N, D), not normalised."""

    def images(self, images: Sequence[Image.Image]) -> Rows:
        """Embed N images -> (N, D), not normalised."""


@dataclass(frozen=True)
class DualEncoder:
    """A dual encoder of one embedding space.

    Attributes:
        family: as its authors call it.
        text, image: its towers.
        reference: what they are checked by.
        logit_scale: what a cosine is multiplied with; logit_bias: what is added, if anything.
        score: a sentence on what a score means.
        files: name -> sha256 of every file that it was read from.
    """

    family: str
    text: Tower
    image: Tower
    reference: Reference
    logit_scale: float
    logit_bias: float | None
    score: str
    files: Mapping[str, str]


class TextFeatures(nn.Module):
    """ids, and a mask where there is one -> rows (B, D), by a model of transformers."""

    def __init__(self, model: Any, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, tuple(names)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Map int64 (B, L) each -> (B, D)."""
        named = dict(zip(self.names, inputs, strict=True))
        rows: torch.Tensor = self.model.get_text_features(**named).pooler_output
        return rows


class ImageFeatures(nn.Module):
    """Pixels -> rows (B, D), by a model of transformers."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map float32 (B, 3, S, S) -> (B, D)."""
        rows: torch.Tensor = self.model.get_image_features(pixel_values=pixels).pooler_output
        return rows


@dataclass(frozen=True)
class Published:
    """The reference of transformers: its model behind its tokenizer and its image processor."""

    model: Any
    tokens: Tokens
    pixels: Pixels

    def texts(self, texts: Sequence[str]) -> Rows:
        """Embed N texts -> (N, D), not normalised."""
        inputs = (self.tokens.tensors(text) for text in texts)
        return rows_of(self.model.get_text_features(**one).pooler_output for one in inputs)

    def images(self, images: Sequence[Image.Image]) -> Rows:
        """Embed N images -> (N, D), not normalised."""
        inputs = (self.pixels.tensor(image) for image in images)
        return rows_of(self.model.get_image_features(one).pooler_output for one in inputs)


def rows_of(parts: Any) -> Rows:
    """Stack rows (1, D) that are computed one by one."""
    with torch.inference_mode():
        rows: Rows = torch.cat(list(parts)).numpy()
    return rows


def require_one_space(dual: DualEncoder, source: str) -> int:
    """Return the width of a dual encoder's space; refuse towers of different widths.

    Raises:
        InputError: names both.
    """
    image = Image.new("RGB", (8, 8))
    texts, images = dual.reference.texts(["x"]), dual.reference.images([image])
    width = int(images.shape[1])
    if texts.shape[1] != width:
        raise InputError(
            f"{source} projects texts to {texts.shape[1]} numbers and images to {width}, so they "
            f"cannot be compared; take towers of one model"
        )
    return width
