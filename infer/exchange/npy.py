"""Plain files for whoever has NumPy and JSON: float32 `vectors.npy` (N, D), and its sidecars."""

from __future__ import annotations

from pathlib import Path

from zscr.arrays import Array, map_npy
from zscr.errors import InputError
from zscr.infer.exchange.gallery import Gallery
from zscr.infer.exchange.sidecars import new_folder, read_blocks, read_folder, write_rows

VECTORS = "vectors.npy"


def write(gallery: Gallery, out: Path) -> None:
    """Write the folder `out`.

    Raises:
        ArtefactError: `out` exists already, or the disk is full. Nothing is left behind.
    """
    with new_folder(gallery, out, "npy") as stage:
        write_rows(stage.folder / VECTORS, gallery, "vectors")


def read(folder: Path) -> Gallery:
    """Read such a folder.

    Raises:
        ArtefactError: a file is missing or damaged.
        InputError: it does not hold what it says.
    """
    about, _ = read_folder(folder)
    vectors = matrix(folder / VECTORS)
    return Gallery(about, lambda: read_blocks(folder, about, vectors))


def matrix(path: Path) -> Array:
    """Return the rows of an .npy file, mapped.

    Raises:
        InputError: it is no such file, or no matrix of floats.
    """
    try:
        rows = map_npy(path)
    except (ValueError, FileNotFoundError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if rows.ndim != 2 or rows.dtype.kind != "f" or not rows.size:
        raise InputError(f"{path} has {rows.dtype} {rows.shape}, not a row of floats an image")
    return rows
