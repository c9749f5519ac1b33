"""A checkpoint's image processor, and what a manifest says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from zscr.data.images import upright_rgb
from zscr.errors import InputError
from zscr.train.encoders.image import pixel_spec
from zscr.train.encoders.library import loading_faults
from zscr.train.encoders.preprocessing import preprocessing
from zscr.train.encoders.published import check_input
from zscr.train.pretrained.files import require_processor
from zscr.train.pretrained.model import transformers


@dataclass(frozen=True)
class Pixels:
    """How images become the pixels that a tower takes.

    Attributes:
        processor: transformers' own.
        spec: the manifest's entry of the graph's input.
    """

    processor: Any
    spec: Mapping[str, Any]

    def tensor(self, image: Image.Image) -> Any:
        """Return what transformers makes of one image: (1, 3, S, S).

        Some processors take any mode, and lay transparency over white as zscr does; others RGB.
        """
        if not getattr(self.processor, "do_convert_rgb", False):
            image = upright_rgb(image)
        return self.processor(images=[image], return_tensors="pt")["pixel_values"]


def read_pixels(source: Path, side: int | None) -> Pixels:
    """Read the image processor of a folder.

    Args:
        source: of the checkpoint.
        side: in pixels, of the images that its tower takes.

    Raises:
        InputError: there is no processor, or it makes other images than the tower takes.
    """
    require_processor(source)
    with loading_faults(source, "folder whose image processor can be loaded"):
        # Pillow's filters on any machine: torchvision's, where it is installed, differ a little.
        processor = transformers().AutoImageProcessor.from_pretrained(
            source, backend="pil", trust_remote_code=False, local_files_only=True
        )
    return described(processor, source, side)


def described(processor: Any, source: Path, side: int | None) -> Pixels:
    """Describe an image processor for a manifest; see `read_pixels`.

    Nothing is decoded at a fraction of its size: that would not be what the family's processor
    does, and the proof of parity would not hold for a large JPEG.
    """
    spec = pixel_spec(preprocessing(processor.to_dict(), source), drafts=False)
    check_input(spec, source)
    made = spec["preprocess"]["image_size"]
    if side is not None and made != side:
        raise InputError(
            f"the image processor of {source} makes images of {made} pixels, and its tower takes "
            f"{side}; fetch both again"
        )
    return Pixels(processor, spec)
