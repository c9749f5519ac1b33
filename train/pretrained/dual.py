"""A dual encoder that others trained: two towers, how each is fed, and what they are checked by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from zscr.errors import InputError
from zscr.train.encoders.library import loading_faults
from zscr.train.pretrained.pixels import Pixels
from zscr.train.pretrained.samples import TEXTS
from zscr.train.pretrained.samples import images as samples
from zscr.train.pretrained.tokens import Tokens

Rows = npt.NDArray[np.float32]
_ALIKE = 1e-5  # of the largest number: what float32 rounds off where rows are the same


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


class Unit(nn.Module):
    """Rows (B, D) -> the same, of length 1."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Scale each row by itself."""
        return functional.normalize(rows, dim=1)


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


def require_sound(dual: DualEncoder, source: str) -> int:
    """Return the width of a dual encoder's space, if it tells texts, and images, from each other.

    Raises:
        InputError: its towers differ in width; a row is missing, not finite or zero; or all rows of
            one side are the same, as those of texts are whose end token is unknown to the tower.
    """
    with loading_faults(Path(source), "dual encoder with a row for each text and image"):
        texts, images = dual.reference.texts(TEXTS[:4]), dual.reference.images(samples()[:4])
    width = int(images.shape[1])
    if texts.shape[1] != width:
        raise InputError(
            f"{source} projects texts to {texts.shape[1]} numbers and images to {width}, so they "
            f"cannot be compared; take towers of one model"
        )
    _require_telling("text", texts, "tokenizer", source)
    _require_telling("image", images, "image processor", source)
    if not all(map(math.isfinite, (dual.logit_scale, dual.logit_bias or 0.0))):
        raise InputError(
            f"scores of {source} have the scale {dual.logit_scale:g} and the bias "
            f"{dual.logit_bias}, which are no numbers; its weights are damaged: fetch them again"
        )
    return width


def _require_telling(field: str, rows: Rows, part: str, source: str) -> None:
    """Refuse rows (N, D) that are zero or no numbers, or all the same."""
    if not np.isfinite(rows).all() or not rows.any(axis=1).all():
        raise InputError(
            f"{source} projects {field}s to zero or to no numbers; its weights are damaged: fetch "
            f"them again"
        )
    if float(np.ptp(rows, axis=0).max()) <= _ALIKE * float(np.abs(rows).max()):
        raise InputError(
            f"{source} projects every {field} to the same numbers; its {part} or its configuration "
            f"is another model's: fetch all files again"
        )
