"""From texts, images and vectors to the arrays that a graph takes, as its manifest says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tokenizers import Encoding, Tokenizer

from zscr.data.images import MAX_PIXELS, open_image
from zscr.errors import ConfigError, InputError

Feeds = dict[str, npt.NDArray[Any]]
DECODERS = 4
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Prepared:
    """A batch ready for a graph.

    Attributes:
        feeds: the graph's inputs.
        truncated: rows whose text was longer than the limit.
        unknown: row -> its words (or characters) that are not in a closed vocabulary, such as
            TF-IDF's.
        blank: rows of which nothing is in it, so that all of them have one and the same embedding.
    """

    feeds: Feeds
    truncated: tuple[int, ...] = ()
    unknown: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    blank: tuple[int, ...] = ()


class TextInput:
    """Token ids and attention mask, padded to the longest text of the batch.

    With `unknown_id` in the manifest, the words that become that token are told.
    """

    modality = "text"

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.ids, self.mask = str(spec["name"]), str(spec["mask"])
        self.max_length = int(spec["max_length"])
        self.unknown_id: int | None = spec.get("unknown_id")
        self.tokenizer = Tokenizer.from_file(str(folder / spec["tokenizer"]))
        self.tokenizer.enable_truncation(self.max_length)
        pad = self.tokenizer.padding or {"pad_id": 0, "pad_token": "[PAD]"}
        self.tokenizer.enable_padding(pad_id=pad["pad_id"], pad_token=pad["pad_token"])

    def prepare(self, values: Sequence[str]) -> Prepared:
        """Tokenise B texts to int64 (B, L), L at most `max_length`."""
        encodings = self.tokenizer.encode_batch(list(values))
        ids = np.array([e.ids for e in encodings], np.int64)
        mask = np.array([e.attention_mask for e in encodings], np.int64)
        cut = tuple(row for row, e in enumerate(encodings) if e.overflowing)
        feeds = {self.ids: ids, self.mask: mask}
        if self.unknown_id is None:
            return Prepared(feeds, cut)
        unknown = {row: self._unknown(values[row], e) for row, e in enumerate(encodings)}
        blank = tuple(row for row, e in enumerate(encodings) if not self._known(e))
        return Prepared(feeds, cut, {row: words for row, words in unknown.items() if words}, blank)

    def _unknown(self, text: str, encoding: Encoding) -> tuple[str, ...]:
        pairs = zip(encoding.ids, encoding.offsets, strict=True)
        return tuple(text[start:end] for token, (start, end) in pairs if token == self.unknown_id)

    def _known(self, encoding: Encoding) -> bool:
        """Say whether any token is a word of the vocabulary."""
        pairs = zip(encoding.ids, encoding.special_tokens_mask, strict=True)
        return any(token != self.unknown_id and not special for token, special in pairs)


class CharacterInput:
    """Character ids of a fixed length, as Reed et al. (CVPR 2016) feed them.

    A character's id is its last place in the manifest's alphabet, counted from 1. The letters A
    to Z stand for a to z; any other unknown character keeps its place and has id 0, which is also
    the padding behind a short text.
    """

    modality = "text"

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.name, self.length = str(spec["name"]), int(spec["max_length"])
        numbers = {character: number for number, character in enumerate(spec["alphabet"], 1)}
        # ASCII alone: Unicode's lower-casing changes the length of a text, and C++ has none.
        upper = {c.upper(): number for c, number in numbers.items() if "a" <= c <= "z"}
        self.numbers = numbers | upper

    def prepare(self, values: Sequence[str]) -> Prepared:
        """Number the characters of B texts -> int64 (B, `max_length`).

        Raises:
            InputError: a text has no known character but spaces, so it says nothing.
        """
        ids = np.zeros((len(values), self.length), np.int64)
        read = [text[: self.length] for text in values]
        for row, text in zip(ids, read, strict=True):
            found = [self.numbers.get(character, 0) for character in text]
            if not set(found) - {0, self.numbers.get(" ")}:
                raise InputError(
                    f"no character of the text {text[:40]!r} is known to the encoder; write it "
                    f"with Latin letters and digits"
                )
            row[: len(found)] = found
        cut = tuple(row for row, text in enumerate(values) if len(text) > self.length)
        unknown = {
            row: tuple(sorted(set(text) - self.numbers.keys())) for row, text in enumerate(read)
        }
        return Prepared({self.name: ids}, cut, {row: new for row, new in unknown.items() if new})


class ImageInput:
    """Pixels (B, 3, S, S): resize, crop the centre, scale, normalise.

    With `resize_shorter_side` the proportions stay; without it the image is resized to the
    square, as the processors of ViT and SigLIP do.
    """

    modality = "image"

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.name, how = str(spec["name"]), spec["preprocess"]
        self.shorter, self.size = how.get("resize_shorter_side"), int(how["image_size"])
        self.resample = RESAMPLING[how["resample"]]
        self.scale = np.float32(how["rescale"])
        self.mean = np.array(how["mean"], np.float32)
        self.std = np.array(how["std"], np.float32)

    def prepare(self, values: Sequence[Path | Image.Image]) -> Prepared:
        """Decode and normalise B images to float32 (B, 3, S, S).

        Raises:
            InputError: an image cannot be decoded, or is too narrow to be resized.
        """
        with ThreadPoolExecutor(DECODERS) as pool:  # Pillow decodes outside the GIL
            return Prepared({self.name: np.stack(list(pool.map(self._pixels, values)))})

    def _pixels(self, value: Path | Image.Image) -> npt.NDArray[np.float32]:
        image = value if isinstance(value, Image.Image) else open_image(value)
        array = np.asarray(self._crop(image), np.float32) * self.scale
        return np.ascontiguousarray(((array - self.mean) / self.std).transpose(2, 0, 1))

    def _crop(self, image: Image.Image) -> Image.Image:
        if self.shorter is None:
            return image.resize((self.size, self.size), self.resample)
        # Rounded down, as transformers and torchvision do.
        width, height = (self.shorter * side // min(image.size) for side in image.size)
        if width * height > MAX_PIXELS:
            raise InputError(
                f"an image of {image.width}x{image.height} pixels would be resized to "
                f"{width}x{height}, over the limit of {MAX_PIXELS} pixels; crop it"
            )
        left, top = (width - self.size) // 2, (height - self.size) // 2
        resized = image.resize((width, height), self.resample)
        return resized.crop((left, top, left + self.size, top + self.size))


class VectorInput:
    """Vectors that somebody else computed, passed on as they are."""

    modality = "vector"

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.name, self.dim = str(spec["name"]), int(spec["shape"][1])

    def prepare(self, values: npt.NDArray[np.float32]) -> Prepared:
        """Check (B, D) vectors.

        Raises:
            InputError: the values are no (B, D) array of numbers.
        """
        array = np.ascontiguousarray(values)
        if array.dtype.kind != "f" or array.ndim != 2 or array.shape[1] != self.dim:
            raise InputError(
                f"input '{self.name}' takes float vectors of shape (B, {self.dim}), "
                f"not {array.dtype} {array.shape}; give vectors of the model's own kind"
            )
        return Prepared({self.name: array.astype(np.float32, copy=False)})


Input = TextInput | CharacterInput | ImageInput | VectorInput
_KINDS: dict[str, type[Input]] = {
    "text": TextInput,
    "characters": CharacterInput,
    "image": ImageInput,
    "vector": VectorInput,
}


def make_input(spec: Mapping[str, Any], folder: Path) -> Input:
    """Build the preparation that a manifest's input entry describes."""
    if spec["kind"] not in _KINDS:
        raise ConfigError(f"input kind '{spec['kind']}' is unknown; upgrade zscr")
    return _KINDS[spec["kind"]](spec, folder)
