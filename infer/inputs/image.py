"""Images and sketches as the pixels that a graph takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.inputs.prepared import Drawing, Prepared
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
    encoder.

    Before it is resized an image may be prepared as a sketch (`strokes`), and replaced by a `view`
    of it (`zscr.infer.inputs.views`).
    """

    def __init__(self, spec: Mapping[str, Any], folder: Path, threads: int = 1) -> None:
        self.field, self.names = str(spec["field"]), tuple(spec["names"])
        self.mask: str | None = None
        how = spec["preprocess"]
        self.shorter, self.size = how.get("resize_shorter_side"), int(how["image_size"])
        self.square = how.get("resize_square") or self.size
        self.least, self.threads = how.get("decode_shorter_side"), threads
        self.strokes, self.view = bool(how.get("strokes")), how.get("view")
        self.resample = str(how["resample"])
        self.scale = np.float32(how["rescale"])
        self.mean = np.array(how["mean"], np.float32)
        self.std = np.array(how["std"], np.float32)

    def prepare(self, values: Sequence[Path | str | Image.Image]) -> Prepared:
        """Decode and normalise B images, files or open ones, to float32 (B, 3, S, S).

        Raises:
            InputError: an image cannot be decoded, is too large, too narrow to be resized, or a
                sketch that shows nothing.
        """
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(self.threads) as pool:  # Pillow decodes outside the GIL
            done = list(pool.map(self._pixels, values))
        drawings = {row: drawing for row, (_, drawing) in enumerate(done) if drawing}
        pixels = np.stack([each for each, _ in done])
        return Prepared({self.names[0]: pixels}, drawings=drawings)

    def _pixels(
        self, value: Path | str | Image.Image
    ) -> tuple[npt.NDArray[np.float32], Drawing | None]:
        """Return an image's pixels, and the sketch that it became, where that changed it."""
        with self._opened(value) as (image, drawing):
            cropped = self._crop(image)
        array = np.asarray(cropped, np.float32) * self.scale
        pixels = np.ascontiguousarray(((array - self.mean) / self.std).transpose(2, 0, 1))
        return pixels, drawing if drawing and drawing.told else None

    @contextmanager
    def _opened(self, value: Path | str | Image.Image) -> Iterator[tuple[Decoded, Drawing | None]]:
        """Yield an image as it is to be resized, and as what sketch it was prepared, if it is one.

        Edges come first, since they make a drawing of a photo; other views are of the drawing.
        """
        from zscr.data.images import decoded, name_of, whole

        if not (self.strokes or self.view):
            with decoded(value, least=self.least) as found:
                yield found, None
            return
        from zscr.data.decoding.modes import over_white
        from zscr.infer.inputs.paper import under_layer
        from zscr.infer.inputs.strokes import prepared
        from zscr.infer.inputs.views import EDGES, VIEWS

        drawing, under = None, under_layer if self.strokes else over_white
        with decoded(value, least=self.least, under=under) as found:
            image = VIEWS[EDGES](found.image) if self.view == EDGES else found.image
            if self.strokes:
                drawing = prepared(image, name_of(value))
                image = drawing.image
            if self.view and self.view != EDGES:
                image = VIEWS[self.view](image)
            yield whole(image), drawing

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
