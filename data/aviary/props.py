"""Props: what a bird sits on and what covers it; their size is the scene's, not the bird's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zscr.data.aviary.curves import Curve, arc, smooth, turned
from zscr.data.aviary.geometry import Bird
from zscr.data.aviary.raster import RGB, Mark, shaded, varied
from zscr.data.aviary.scene import Scene

_BARKS: tuple[RGB, ...] = ((106, 82, 64), (128, 108, 90), (84, 70, 66), (140, 104, 76))
_LEAVES: tuple[RGB, ...] = (
    (84, 128, 62),
    (118, 152, 74),
    (62, 104, 74),
    (172, 132, 62),
    (158, 92, 64),
)
_GROUNDS: tuple[RGB, ...] = ((150, 144, 136), (176, 158, 126), (124, 116, 104), (128, 138, 96))


def perch(bird: Bird, scene: Scene) -> tuple[Mark, ...]:
    """Return the branch or the ground below the bird's feet; nothing in flight."""
    rng = np.random.default_rng([scene.detail, 2])
    if scene.pose == "perched":
        return tuple(_branch(bird, rng))
    return tuple(_ground(bird, rng)) if scene.pose == "standing" else ()


def cover(bird: Bird, scene: Scene) -> tuple[Mark, ...]:
    """Return what stands in front of the bird."""
    rng = np.random.default_rng([scene.detail, 3])
    if scene.cover == "leaves":
        return tuple(_spray(bird, rng))
    if scene.cover == "twig":
        return tuple(_twig(bird, rng))
    return tuple(_reeds(bird, rng)) if scene.cover == "reeds" else ()


def _branch(bird: Bird, rng: np.random.Generator) -> Iterator[Mark]:
    (x, y), unit, bark = bird.foot, bird.unit, _pick(_BARKS, rng)
    thick = 0.1 * unit
    slope = rng.uniform(-0.14, 0.14)
    across = np.linspace(-0.1, 1.1, 9)
    wave = y + thick * 0.45 + slope * (across - x) + rng.normal(0, 0.05 * unit, 9)
    wave[np.abs(across - x) < 0.16] = y + thick * 0.45
    spine = smooth(np.stack([across, wave], 1))
    yield Mark(spine, shaded(bark, 0.7), thick)
    yield Mark(spine - (0, 0.13 * thick), bark, thick * 0.7)
    yield Mark(spine - (0, 0.25 * thick), shaded(bark, 1.2), thick * 0.2)
    colour = _pick(_LEAVES, rng)
    for _ in range(int(rng.integers(1, 5))):
        root = spine[int(rng.integers(len(spine)))]
        yield from _leaf(root, 0.42 * unit, rng.uniform(-160, 160), colour, rng)


def _ground(bird: Bird, rng: np.random.Generator) -> Iterator[Mark]:
    (x, y), unit, colour = bird.foot, bird.unit, _pick(_GROUNDS, rng)
    across = np.linspace(-0.1, 1.1, 8)
    ridge = y + rng.uniform(-0.02, 0.04, 8)
    ridge[np.abs(across - x) < 0.2] = y - 0.005
    top = smooth(np.stack([across, ridge], 1))
    for drop, shade in ((0.0, 1.12), (0.05 * unit, 1.0), (0.3 * unit, 0.88)):
        rim = top + (0, drop)
        yield Mark(
            np.concatenate([rim, np.array([(1.1, 1.4), (-0.1, 1.4)])]), shaded(colour, shade)
        )
    for _ in range(9):
        at = (float(rng.uniform(0, 1)), float(y + rng.uniform(0.12, 0.6) * unit))
        pebble = arc(at, 0.05 * unit * rng.uniform(0.6, 1.2), 0, 345) * (1, 0.7) + (0, 0.3 * at[1])
        yield Mark(pebble, shaded(colour, rng.uniform(0.72, 1.2)))
    for _ in range(int(rng.integers(0, 4))):
        root = np.array([rng.uniform(0, 1), y + 0.03])
        for lean in (-24, -4, 20):
            blade = turned(
                np.array([(-0.02, 0), (0, -0.34), (0.02, 0)]) * unit, lean + rng.normal(0, 5)
            )
            yield Mark(root + blade, shaded((104, 134, 72), rng.uniform(0.8, 1.15)))


def _spray(bird: Bird, rng: np.random.Generator) -> Iterator[Mark]:
    """Leaves that reach into the image from one side."""
    colour = _pick(_LEAVES, rng)
    side = int(rng.choice((0, 1)))
    root = np.array([side, rng.uniform(0.15, 0.95)])
    tip = np.array([rng.uniform(0.35, 0.65), rng.uniform(0.3, 0.85)])
    stem = smooth(np.array([root, (root + tip) / 2 + (0, -0.06), tip]))
    yield Mark(stem, shaded(colour, 0.6), 0.02)
    for at in stem[4::3]:
        yield from _leaf(at, 0.36 * bird.unit, rng.uniform(-180, 180), colour, rng)


def _twig(bird: Bird, rng: np.random.Generator) -> Iterator[Mark]:
    bark = _pick(_BARKS, rng)
    start, stop = rng.uniform(0.1, 0.9, 2)
    spine = smooth(np.array([(start, -0.05), ((start + stop) / 2 + 0.06, 0.5), (stop, 1.05)]))
    yield Mark(spine, shaded(bark, 0.75), 0.08 * bird.unit)
    yield Mark(spine - (0.004, 0), shaded(bark, 1.1), 0.04 * bird.unit)


def _reeds(bird: Bird, rng: np.random.Generator) -> Iterator[Mark]:
    colour = _pick(_LEAVES, rng)
    for _ in range(int(rng.integers(3, 7))):
        x, lean, tall = rng.uniform(0, 1), rng.normal(0, 0.12), rng.uniform(0.45, 0.95)
        half = 0.045 * bird.unit
        tip = (x + lean, 1 - tall)
        middle = (x + 0.3 * lean, 1 - 0.5 * tall)
        blade = [
            (x - half, 1.05),
            (middle[0] - half, middle[1]),
            tip,
            (middle[0] + half, middle[1]),
        ]
        yield Mark(smooth([*blade, (x + half, 1.05)]), shaded(colour, rng.uniform(0.75, 1.2)))


def _leaf(
    root: Curve, length: float, degrees: float, colour: RGB, rng: np.random.Generator
) -> Iterator[Mark]:
    blade = smooth([(0, 0), (0.35, -0.2), (1, 0), (0.35, 0.2)], closed=True, per=6)
    shade = rng.uniform(0.8, 1.2)
    size = length * rng.uniform(0.85, 1.1)
    yield Mark(root + turned(blade, degrees) * size, shaded(colour, shade))
    rib = turned(np.array([(0, 0), (0.85, 0)]), degrees) * size
    yield Mark(root + rib, shaded(colour, 0.75 * shade), 0.008)


def _pick(palette: tuple[RGB, ...], rng: np.random.Generator) -> RGB:
    return varied(palette[int(rng.integers(len(palette)))], rng)
