"""The suffixes of images' files, by which a folder's are found without opening one."""

from __future__ import annotations

OF_FORMAT = {  # format -> suffixes of its files, in lower case
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WebP": (".webp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "AVIF": (".avif",),
    "JPEG 2000": (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"),
    "HEIC": (".heic", ".heif", ".hif"),
}
SUFFIXES = tuple(suffix for suffixes in OF_FORMAT.values() for suffix in suffixes)
