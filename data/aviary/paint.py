"""Paint: the parts of a bird in a scene to an RGB image with light, texture and noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image, ImageFilter

from zscr.data.aviary.backdrop import draw_backdrop
from zscr.data.aviary.geometry import Bird, Part
from zscr.data.aviary.props import cover, perch
from zscr.data.aviary.raster import RGB, SIDE, Layer, Mark, draw_layer, noise, over, shaded, varied
from zscr.data.aviary.scene import Scene
from zscr.data.aviary.species import Traits

PALETTE: dict[str, RGB] = {
    "red": (206, 48, 46),
    "yellow": (240, 204, 56),
    "green": (66, 152, 72),
    "blue": (52, 104, 204),
    "black": (44, 42, 46),
    "white": (242, 240, 234),
}
# Bill and legs are horn-coloured in every species, so that they tell nothing but their shape.
_FIXED: dict[str, RGB] = {"bill": (222, 152, 84), "leg": (196, 126, 78), "eye": (246, 244, 236)}
_DARK: RGB = (48, 40, 42)
_PALE: RGB = (238, 230, 212)
_PUPIL: RGB = (24, 22, 24)
_INK = 0.032  # width of a contour, in units of the scene
_WARM = np.array([0.07, 0.01, -0.09], dtype=np.float32)


def paint(traits: Traits, scene: Scene, bird: Bird) -> Image.Image:
    """Return the RGB image of `bird` in `scene`."""
    rng = np.random.default_rng([scene.detail, 4])
    image = draw_backdrop(scene.backdrop, rng)
    image = over(image, draw_layer(perch(bird, scene)))
    feathers = draw_layer(_marks(bird, _colours(traits, rng)))
    image = over(image, _modelled(feathers, rng))
    image = over(image, draw_layer(cover(bird, scene)))
    return _exposed(image, scene, rng)


def _colours(traits: Traits, rng: np.random.Generator) -> dict[str, RGB]:
    """Return this image's own shade of every part's colour."""
    named = {"crown": traits.crown, "back": traits.back, "belly": traits.belly}
    named |= {"wing": traits.wing, "tail": traits.back}
    shades = {
        name: varied(PALETTE[named[name]], rng) for name in ("crown", "back", "belly", "wing")
    }
    shades |= {name: varied(rgb, rng) for name, rgb in _FIXED.items()}
    where = "belly" if traits.pattern.endswith("breast") else "wing"
    pattern = _DARK if named[where] in ("red", "yellow", "green", "white") else _PALE
    return shades | {"tail": shades["back"], "pattern": pattern, "pupil": _PUPIL}


def _marks(bird: Bird, colours: Mapping[str, RGB]) -> Iterator[Mark]:
    """Yield the bird from back to front: in each group the contours, then what fills them."""
    for group in bird.groups:
        for part in group:
            if part.inked:
                ring = np.concatenate([part.points, part.points[:2]])
                yield Mark(ring, shaded(_colour_of(part, colours), 0.42), _INK * bird.unit)
        for part in group:
            if part.name == "seam":
                yield Mark(part.points, shaded(_colour_of(group[0], colours), 0.6), part.width)
            else:
                yield Mark(part.points, _colour_of(part, colours), part.width)


def _colour_of(part: Part, colours: Mapping[str, RGB]) -> RGB:
    return shaded(colours[part.name], part.shade)


def _modelled(feathers: Layer, rng: np.random.Generator) -> Layer:
    """Light a flat bird from above as if it were round, and roughen its plumage."""
    alpha = Image.fromarray((feathers[..., 3] * 255).astype(np.uint8))
    soft = np.asarray(alpha.filter(ImageFilter.BoxBlur(7)), dtype=np.float32)[..., None] / 255
    down, side = int(rng.integers(5, 8)), int(rng.integers(-4, 5))
    relief = np.roll(soft, (-down, -side), (0, 1)) - np.roll(soft, (down, side), (0, 1))
    gain = 1 + 0.3 * relief + 0.035 * noise(rng, 56, 40)
    lit = np.clip(feathers[..., :3] * gain, 0, feathers[..., 3:])
    return np.concatenate([lit, feathers[..., 3:]], 2)


def _exposed(drawn: Layer, scene: Scene, rng: np.random.Generator) -> Image.Image:
    """Apply the light of the scene, the lens's blur and the sensor's noise."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].astype(np.float32)[..., None]
    slope = rng.uniform(-0.1, 0.1, 2).astype(np.float32)
    light = scene.brightness * (1 + slope[0] * x + slope[1] * y)
    lit = drawn * light * (1 + _WARM * np.float32(scene.warmth))
    lit += rng.normal(0, scene.noise / 255, drawn.shape).astype(np.float32)
    image = Image.fromarray((np.clip(lit, 0, 1) * 255).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(scene.blur)) if scene.blur else image
