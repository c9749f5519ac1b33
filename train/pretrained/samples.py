"""Texts and images that every dual encoder is checked on: each a case that some code gets wrong."""

from __future__ import annotations

import numpy as np
from PIL import Image

TEXTS = (
    "a photo of a dog",
    "two small birds on a red roof by the sea",
    "A PHOTO OF THE EIFFEL TOWER AT NIGHT",
    "don't stop: 3.5 km, 100% (really!)",
    "x",
    "  spaces   before and \n between ",
    "Übergrößenträger im Fluß, déjà vu",
    "一只红色的小鸟在树上",
    "маленькая птица на крыше",
    "طائر صغير",
    "a dog 🐕 and a ☕",
    "a long text about a house by the sea, with a red roof and a blue door, " * 20,
)


def images() -> list[Image.Image]:
    """Draw images of many shapes and modes, the same ones at every call."""
    rng = np.random.default_rng(7)
    sizes = {"landscape": (640, 360), "portrait": (300, 500), "square": (224, 224)}
    sizes |= {"tiny": (7, 5), "line": (400, 9)}
    made = {name: _scene(rng, *size) for name, size in sizes.items()}
    whole = made["landscape"]
    clear = whole.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(whole.size))
    palette = whole.convert("P", palette=Image.Palette.ADAPTIVE, colors=32)
    return [*made.values(), whole.convert("L"), whole.convert("1"), clear, palette]


def _scene(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Draw smooth colours with fine noise: filters differ on both."""
    rows, columns = np.mgrid[0:height, 0:width] / max(width, height)
    waves = [np.sin(rng.uniform(4, 30) * rows + rng.uniform(4, 30) * columns) for _ in range(3)]
    pixels = 128 + 90 * np.stack(waves, axis=2) + rng.normal(0, 20, (height, width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
