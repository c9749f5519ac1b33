"""Images embedded in a page: small, each once, and told apart from those that cannot be shown."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from zscr.errors import InputError
from zscr.infer.answers.markup import attribute, isolated
from zscr.infer.answers.shown import Shown

if TYPE_CHECKING:
    from PIL import Image

SIDE = 160  # pixels of a thumbnail's longer side, which the page shows at 112 to 170
_QUALITY = 78


@dataclass
class Thumbnails:
    """What has been shown so far; memory grows with the number of distinct images' names only."""

    styles: dict[str, str] = field(default_factory=dict)  # image -> its CSS class
    failures: dict[str, str] = field(default_factory=dict)  # image -> why it cannot be shown

    def show_checked(
        self,
        image: str | Path | Image.Image | None,
        label: str,
        shown: Shown,
        sha256: str | None = None,
    ) -> str:
        """Do as `show` does, if a file may be shown; `sha256` is of its content, if known."""
        if isinstance(image, str | Path) and not self._is_known(image):
            if fault := shown.fault(image, sha256):
                self.failures[str(image)] = fault
        return self.show(image, label)

    def show(self, image: str | Path | Image.Image | None, label: str) -> str:
        """Return the HTML that shows an image, embedded at its first use.

        Args:
            image: a file or an open image; None and what cannot be shown become a placeholder.
            label: what it is called for those who cannot see it.
        """
        if image is None:
            return '<div class="pic none">no image</div>'
        name, embedded = self._name(image), ""
        if not self._is_known(name):
            embedded = self._embed(name, image)
        if name in self.failures:
            return f'<div class="pic none">{isolated(self.failures[name])}</div>'
        style = self.styles[name]
        return (
            f'{embedded}<div class="pic {style}" role="img" aria-label="{attribute(label)}"></div>'
        )

    def _name(self, image: str | Path | Image.Image) -> str:
        """Return what tells an image apart: its path, or its pixels where it has none."""
        if isinstance(image, str | Path):
            return str(image)
        try:
            shown = _upright(image)
        except InputError as error:
            self.failures[str(error)] = str(error)
            return str(error)
        return f"{shown.size} {hashlib.sha256(shown.tobytes()).hexdigest()}"

    def _is_known(self, image: str | Path) -> bool:
        return str(image) in self.styles or str(image) in self.failures

    def _embed(self, name: str, image: str | Path | Image.Image) -> str:
        """Return the style rule that holds an image; remember it, or why there is none."""
        try:
            jpeg = _thumbnail(image)
        except InputError as error:
            self.failures[name] = str(error)
            return ""
        style = f"t{len(self.styles)}"
        self.styles[name] = style
        data = base64.b64encode(jpeg).decode("ascii")
        return f"<style>.{style}{{background-image:url(data:image/jpeg;base64,{data})}}</style>"


def _thumbnail(image: str | Path | Image.Image) -> bytes:
    small = _upright(image, least=2 * SIDE)
    small.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def _upright(image: str | Path | Image.Image, least: int | None = None) -> Image.Image:
    # Pillow stays out of `import zscr.infer`: only this format needs it.
    from zscr.data.images import open_image

    return open_image(image, least=least)
