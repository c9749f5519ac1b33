"""Images and sketches as the pixels that a graph takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.inputs.prepared import Prepared
from zscr.schema import flag, integer, listing, maybe, number, one_of, record, text

if TYPE_CHECKING:  # Pillow takes as long to import as a text takes to be answered
    from PIL import Image

    from zscr.data.images import Decoded

MAX_RESIZED = 64_000_000  # pixels; a line of them is small until its shorter side is enlarged
RESAMPLING = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")  # Pillow's


def _view(value: Any, where: str) -> None:
    from zscr.infer.inputs.views import VIEWS  # with Pillow, which few manifests need

    one_of(*VIEWS)(value, where)


_PREPROCESS = record(
    {
        "image_size": integer(1, 2048),  # a batch of 32 has 1.6 GB then
        "resample": one_of(*RESAMPLING),
        "rescale": number(-1e6, 1e6),
        "mean": listing(number(-1e6, 1e6), 3, 3),
        "std": listing(number(1e-6, 1e6), 3, 3),
    },
    {
        "resize_shorter_side": maybe(integer(1, 8192)),
        "resize_square": maybe(integer(1, 8192)),
        "strokes": flag,
        "view": _view,
    },
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
    square, as the processors of ViT and SigLIP do, or to the larger one `resize_square`, as
    EfficientNet's does. What is smaller than the crop gets a black border. `decode_shorter_side`
    lets large JPEGs be decoded at a fraction of their size (see `zscr.data.images.decoded`); as
    that changes embeddings a little, it is a part of the preprocessing and travels with the
    encoder. `view` is what an image is replaced by before it is resized (`zscr.infer.inputs.views`).
    """

    def __init__(self, spec: Mapping[str, Any], folder: Path, threads: int = 1) -> None:
        self.field, self.names = str(spec["field"]), tuple(spec["names"])
        how = spec["preprocess"]
        self.shorter, self.size = how.get("resize_shorter_side"), int(how["image_size"])
        self.square = how.get("resize_square") or self.size
        self.least, self.threads = how.get("decode_shorter_side"), threads
        self.view = how.get("view")
        self.resample = str(how["resample"])
        self.scale = np.float32(how["rescale"])
        self.mean = np.array(how["mean"], np.float32)
        self.std = np.array(how["std"], np.float32)

    def prepare(self, values: Sequence[Path | str | Image.Image]) -> Prepared:
        """Decode and normalise B images, files or open ones, to float32 (B, 3, S, S).

        Raises:
            InputError: an image cannot be decoded, is too large, or too narrow to be resized.
        """
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(self.threads) as pool:  # Pillow decodes outside the GIL
            return Prepared({self.names[0]: np.stack(list(pool.map(self._pixels, values)))})

    def _pixels(self, value: Path | str | Image.Image) -> npt.NDArray[np.float32]:
        from zscr.data.images import decoded

        with decoded(value, least=self.least) as image:
            cropped = self._crop(self._viewed(image))
        array = np.asarray(cropped, np.float32) * self.scale
        return np.ascontiguousarray(((array - self.mean) / self.std).transpose(2, 0, 1))

    def _viewed(self, found: Decoded) -> Decoded:
        """Return the view that is wanted of an image; a part is lost of its last pixel at most."""
        if self.view is None:
            return found
        from zscr.data.images import Decoded
        from zscr.infer.inputs.views import VIEWS

        image = VIEWS[self.view](found.image)
        return Decoded(image, image.size, (0, 0, *image.size))

    def _crop(self, image: Decoded) -> Image.Image:
        from PIL.Image import Resampling

        width, height = self._resized(image.size)
        if width * height > MAX_RESIZED:
            whole = "x".join(map(str, image.size))
            raise InputError(
                f"an image of {whole} pixels would be resized to {width}x{height}, over the limit "
                f"of {MAX_RESIZED} pixels; crop it"
            )
        resized = image.resize((width, height), Resampling[self.resample.upper()])
        if width == height == self.size:
            return resized
        left, top = (width - self.size) // 2, (height - self.size) // 2
        return resized.crop((left, top, left + self.size, top + self.size))

    def _resized(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the width and height before the crop, rounded down as transformers does it."""
        if self.shorter is None:
            return self.square, self.square
        width, height = (self.shorter * side // min(size) for side in size)
        return width, height
