"""Backdrops: textured surroundings in colours that birds have too, so colour alone misleads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from zscr.data.aviary.curves import Curve, arc
from zscr.data.aviary.raster import (
    RGB,
    SIDE,
    Layer,
    Mark,
    draw_layer,
    noise,
    over,
    shaded,
    varied,
)

_HEIGHT: Layer = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None, None]  # 1 is below
_FADED = np.float32(0.3)  # share of grey, so that the bird stands out to the eye

# RGB at the top and at the bottom.
_SKIES: tuple[tuple[RGB, RGB], ...] = (
    ((96, 150, 214), (214, 228, 236)),
    ((168, 176, 190), (226, 226, 222)),
    ((120, 110, 170), (244, 190, 130)),
    ((86, 160, 190), (240, 214, 190)),
)
_LEAVES: tuple[RGB, ...] = (
    (70, 112, 58),
    (122, 146, 66),
    (176, 140, 62),
    (150, 88, 60),
    (48, 84, 70),
)
_WATERS: tuple[RGB, ...] = ((70, 118, 160), (78, 136, 138), (122, 122, 104), (96, 110, 150))
_SANDS: tuple[RGB, ...] = ((216, 190, 142), (200, 164, 120), (226, 212, 180), (186, 142, 112))
_ROCKS: tuple[RGB, ...] = ((140, 138, 134), (120, 104, 96), (96, 102, 112), (172, 160, 144))
_BLOSSOMS: tuple[RGB, ...] = (
    *((200, 60, 60), (232, 196, 70), (150, 90, 170), (236, 232, 226), (80, 110, 190)),
)


def draw_backdrop(name: str, rng: np.random.Generator) -> Layer:
    """Return the backdrop `name` as (SIDE, SIDE, 3)."""
    vivid = _PAINTERS[name](rng)
    faded: Layer = vivid + _FADED * (vivid.mean(2, keepdims=True) - vivid)
    return np.clip(faded, 0, 1)


def _pick(palette: tuple[RGB, ...], rng: np.random.Generator) -> RGB:
    return varied(palette[int(rng.integers(len(palette)))], rng)


def _blend(start: RGB, stop: RGB, share: Layer) -> Layer:
    """Mix two colours; `share` (SIDE, SIDE or 1, 1) is that of the second."""
    first, second = (np.asarray(rgb, dtype=np.float32) / np.float32(255) for rgb in (start, stop))
    mixed: Layer = first + np.clip(share, 0, 1) * (second - first)
    return mixed


def _sky(rng: np.random.Generator) -> Layer:
    top, bottom = _SKIES[int(rng.integers(len(_SKIES)))]
    base = _blend(varied(top, rng), varied(bottom, rng), _HEIGHT)
    clouds = np.clip(noise(rng, 6, 4) * 0.5 + noise(rng, 14, 7) * 0.2, 0, 1)
    cloudy: Layer = base + (1 - base) * clouds * np.float32(0.7)
    return cloudy


def _foliage(rng: np.random.Generator) -> Layer:
    near, far = _pick(_LEAVES, rng), _pick(_LEAVES, rng)
    base = _blend(far, near, 0.5 + 0.5 * noise(rng, 7, 7)) * (1 + 0.16 * noise(rng, 24, 24))
    leaves = (near, far, shaded(near, 1.2), shaded(far, 0.8))
    marks = list(_discs(rng, 26, leaves, 0.05))
    if rng.random() < 0.5:
        blossom = _BLOSSOMS[int(rng.integers(len(_BLOSSOMS)))]
        marks += _discs(rng, 9, (blossom,), 0.022)
    return over(base, draw_layer(marks))


def _water(rng: np.random.Generator) -> Layer:
    colour = _pick(_WATERS, rng)
    base = _blend(shaded(colour, 0.8), shaded(colour, 1.2), _HEIGHT)
    ripples = noise(rng, 34, 5) * 0.07 + noise(rng, 60, 12) * 0.05
    glints = np.clip(noise(rng, 44, 6) - 1.3, 0, 1) * 0.35
    rippled: Layer = base + ripples + glints
    return rippled


def _sand(rng: np.random.Generator) -> Layer:
    colour = _pick(_SANDS, rng)
    base = _blend(shaded(colour, 1.06), shaded(colour, 0.86), _HEIGHT)
    grain = rng.normal(0, 0.03, (SIDE, SIDE, 1)).astype(np.float32)
    dunes: Layer = base + noise(rng, 9, 4) * 0.04 + noise(rng, 30, 9) * 0.025 + grain
    return dunes


def _rocks(rng: np.random.Generator) -> Layer:
    near, far = _pick(_ROCKS, rng), _pick(_ROCKS, rng)
    base = _blend(far, shaded(far, 1.25), 0.4 * noise(rng, 12, 12) + 0.2 * noise(rng, 50, 50))
    stones: list[Mark] = []
    for _ in range(9):
        shade = shaded(near, rng.uniform(0.75, 1.2))
        stones += _stone(rng.uniform(0, 1, 2), rng.uniform(0.1, 0.24), shade, rng)
    return over(base, draw_layer(stones)) * (1 + 0.05 * noise(rng, 40, 40))


def _stone(centre: Curve, radius: float, colour: RGB, rng: np.random.Generator) -> Iterator[Mark]:
    angle = np.sort(rng.uniform(0, 2 * np.pi, 9))
    circle = np.stack([np.cos(angle), 0.75 * np.sin(angle)], 1)
    rim = circle * radius * rng.uniform(0.8, 1.1, (9, 1))
    yield Mark(centre + rim, shaded(colour, 0.78))
    yield Mark(centre + rim * 0.82 - (0.01, 0.015), shaded(colour, 1.1))


def _discs(
    rng: np.random.Generator, count: int, colours: tuple[RGB, ...], radius: float
) -> Iterator[Mark]:
    """Strew ellipses over the image, like leaves or blossoms out of focus."""
    for _ in range(count):
        disc = arc((0.0, 0.0), radius, 0, 345) * rng.uniform(0.6, 1.5, 2)
        yield Mark(rng.uniform(0, 1, 2) + disc, colours[int(rng.integers(len(colours)))])


_PAINTERS: dict[str, Callable[[np.random.Generator], Layer]] = {
    "sky": _sky,
    "foliage": _foliage,
    "water": _water,
    "sand": _sand,
    "rocks": _rocks,
}
