"""Images and sketches as the pixels that a graph takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from zscr.data.images import MAX_PIXELS, open_image, upright_rgb
from zscr.errors import InputError
from zscr.infer.inputs.prepared import Prepared
from zscr.schema import integer, listing, maybe, number, one_of, record, text

DECODERS = 4
_LOADING = Lock()  # one image may stand in a batch twice, and Pillow loads it when it is used
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_PREPROCESS = record(
    {
        "image_size": integer(1, 2048),  # a batch of 32 has 1.6 GB then
        "resample": one_of(*RESAMPLING),
        "rescale": number(-1e6, 1e6),
        "mean": listing(number(-1e6, 1e6), 3, 3),
        "std": listing(number(1e-6, 1e6), 3, 3),
    },
    {"resize_shorter_side": maybe(integer(1, 8192))},
)
FIELDS = record(
    {
        "field": one_of("image", "sketch"),
        "names": listing(text(200), 1, 1),
        "preprocess": _PREPROCESS,
    }
)


class ImageInput:
    """Pixels (B, 3, S, S): resize, crop the centre, scale, normalise.

    With `resize_shorter_side` the proportions stay; without it the image is resized to the
    square, as the processors of ViT and SigLIP do.
    """

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.field, self.names = str(spec["field"]), tuple(spec["names"])
        how = spec["preprocess"]
        self.shorter, self.size = how.get("resize_shorter_side"), int(how["image_size"])
        self.resample = RESAMPLING[how["resample"]]
        self.scale = np.float32(how["rescale"])
        self.mean = np.array(how["mean"], np.float32)
        self.std = np.array(how["std"], np.float32)

    def prepare(self, values: Sequence[Path | str | Image.Image]) -> Prepared:
        """Decode and normalise B images, files or open ones, to float32 (B, 3, S, S).

        Raises:
            InputError: an image cannot be decoded, is too large, or too narrow to be resized.
        """
        with ThreadPoolExecutor(DECODERS) as pool:  # Pillow decodes outside the GIL
            return Prepared({self.names[0]: np.stack(list(pool.map(self._pixels, values)))})

    def _pixels(self, value: Path | str | Image.Image) -> npt.NDArray[np.float32]:
        array = np.asarray(self._crop(_upright(value)), np.float32) * self.scale
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


def _upright(value: Path | str | Image.Image) -> Image.Image:
    if not isinstance(value, Image.Image):
        return open_image(Path(value))
    with _LOADING:
        return upright_rgb(value)
