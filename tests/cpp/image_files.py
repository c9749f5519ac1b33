"""Images of every mode that the C++ library reads, small and noisy: no pixel is like another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SIDES = (61, 43)  # of most of them, across and down
_XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def noise(channels: int = 3, size: tuple[int, int] = SIDES, dtype: str = "u1") -> Any:
    """Return noise (H, W) or (H, W, C) over a slope, which even JPEG does not smooth away."""
    width, height = size
    shape = (height, width, channels) if channels > 1 else (height, width)
    most = np.iinfo(dtype).max
    lot = np.random.default_rng(channels).random(shape)
    slope = np.linspace(0, 1, width)[:, None] if channels > 1 else np.linspace(0, 1, width)
    return ((0.6 * lot + 0.4 * slope) * most).astype(dtype)


def of_mode(mode: str) -> Image.Image:
    """Return an image of one of Pillow's modes."""
    if mode == "I;16":
        return Image.fromarray(noise(1, dtype="u2"))
    if mode == "1":
        return Image.fromarray(noise(1) > 128)
    if mode in ("P", "CMYK"):
        return Image.fromarray(noise()).convert(mode)
    return Image.fromarray(noise(len(mode)), mode if mode == "LA" else None)


def _exif(how: int, order: str) -> bytes:
    """Write an EXIF block by hand: one entry, in either order of bytes."""
    head = b"MM\0*" if order == "big" else b"II*\0"
    entry = [(0x0112, 2), (3, 2), (1, 4), (how, 2), (0, 2)]
    numbers = [(8, 4), (1, 2), *entry, (0, 4)]
    return b"Exif\0\0" + head + b"".join(n.to_bytes(size, order) for n, size in numbers)


def _saved(mode: str, kind: str, **how: Any) -> Callable[[Path], None]:
    return lambda path: of_mode(mode).save(path, kind, **how)


def _text(key: str, text: str, *, international: bool = False) -> PngInfo:
    made = PngInfo()
    (made.add_itxt if international else made.add_text)(key, text, zip=True)
    return made


def _deep_colours(channels: int, clear: tuple[int, ...] = ()) -> Callable[[Path], None]:
    """Write a PNG of 16 bits a channel, which Pillow cannot: the chunks by hand."""
    import struct
    import zlib

    rows = noise(channels, dtype="u2").astype(">u2")
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", *SIDES, 16, kind, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    chunks = [(b"IHDR", head), (b"IDAT", pixels), (b"IEND", b"")]
    if clear:
        rgb = [int(rows[0, 0, c]) for c in range(3)] if channels == 3 else [int(rows[0, 0])]
        chunks.insert(1, (b"tRNS", struct.pack(f">{len(rgb)}H", *rgb)))

    def chunk(name: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + crc

    content = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)
    return lambda path: path.write_bytes(content) and None


_HEX = "\nexif\n      34\n" + _exif(8, "big").hex()
_FRAMES = [Image.fromarray(noise(4)), Image.fromarray(noise(4)[::-1])]
# name -> what writes it
FILES: dict[str, Callable[[Path], None]] = {
    "grey.jpg": _saved("L", "JPEG"),
    "colour.jpg": _saved("RGB", "JPEG", quality=95, subsampling=0),
    "half.jpg": _saved("RGB", "JPEG", subsampling=1),
    "quarter.jpg": _saved("RGB", "JPEG", subsampling=2),
    "progressive.jpg": _saved("RGB", "JPEG", progressive=True),
    "kept.jpg": _saved("RGB", "JPEG", keep_rgb=True),
    "inks.jpg": _saved("CMYK", "JPEG"),
    **{
        f"turned{how}{order}.jpg": _saved("RGB", "JPEG", exif=_exif(how, order))
        for how in range(10)
        for order in ("big", "little")
    },
    "xmp.jpg": _saved("RGB", "JPEG", xmp=_XMP),
    "bits.png": _saved("1", "PNG"),
    "bits-clear.png": _saved("1", "PNG", transparency=0),
    "grey.png": _saved("L", "PNG"),
    "grey-clear.png": _saved("L", "PNG", transparency=int(noise(1)[0, 0])),
    "grey-alpha.png": _saved("LA", "PNG"),
    "table.png": _saved("P", "PNG"),
    "table4.png": lambda path: of_mode("P").quantize(11).save(path, "PNG", bits=4),
    "table-clear.png": _saved("P", "PNG", transparency=bytes(range(0, 250, 5))),
    "colour.png": _saved("RGB", "PNG"),
    "colour-clear.png": _saved("RGB", "PNG", transparency=tuple(map(int, noise()[0, 0]))),
    "alpha.png": _saved("RGBA", "PNG"),
    "deep.png": _saved("I;16", "PNG"),
    "deep-clear.png": _deep_colours(1, (1,)),
    "deep-alpha.png": _deep_colours(2),
    "deep-colour.png": _deep_colours(3),
    "deep-colour-clear.png": _deep_colours(3, (1,)),
    "deep-colour-alpha.png": _deep_colours(4),
    "turned.png": _saved("RGB", "PNG", exif=_exif(5, "little")),
    "hex.png": _saved("RGB", "PNG", pnginfo=_text("Raw profile type exif", _HEX)),
    "xmp.png": _saved(
        "RGB", "PNG", pnginfo=_text("XML:com.adobe.xmp", _XMP.decode(), international=True)
    ),
    "lossy.webp": _saved("RGB", "WEBP", exif=_exif(7, "big")),
    "lossless.webp": _saved("RGB", "WEBP", lossless=True, xmp=_XMP),
    "alpha.webp": _saved("RGBA", "WEBP", lossless=True),
    "lossy-alpha.webp": _saved("RGBA", "WEBP"),
    "frames.webp": lambda path: _FRAMES[0].save(
        path, "WEBP", save_all=True, append_images=_FRAMES[1:]
    ),
}
