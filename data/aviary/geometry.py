"""Geometry: one bird in one scene as named parts in image coordinates, x and y in 0..1.

The image, the sketch and what the captions may claim are all made from these parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from zscr.data.aviary import anatomy
from zscr.data.aviary.curves import Curve, Strip, arc, resample, turned
from zscr.data.aviary.scene import Scene
from zscr.data.aviary.species import Traits

_LENGTH = {"small": 0.33, "medium": 0.44, "large": 0.56}  # of the body, at zoom 1
_LEG = {"perched": 0.13, "standing": 0.27}
_FITS = 0.96  # a bird is shrunk with its scene until this share of the image holds it


@dataclass(frozen=True)
class Part:
    """One filled outline or one line of a bird.

    Attributes:
        name: the trait that it shows (crown, back, belly, wing, tail, bill, pattern) or what it
            is (leg, eye, pupil, seam: a line between regions or feathers).
        points: (N, 2).
        width: 0 fills the outline; above 0 draws a line of that width.
        inked: the outline itself is drawn too.
        shade: gain of the colour.
    """

    name: str
    points: Curve
    width: float = 0.0
    inked: bool = False
    shade: float = 1.0


@dataclass(frozen=True)
class Bird:
    """A bird from back to front, and where it stands.

    Attributes:
        groups: within a group all outlines are inked before any is filled, so that body and head
            share one contour.
        foot: (x, y) between its feet; in flight, below its body.
        unit: image widths per body length of a bird of medium size: the scale of the scene.
    """

    groups: tuple[tuple[Part, ...], ...]
    foot: tuple[float, float]
    unit: float

    @property
    def parts(self) -> Iterator[Part]:
        """All parts from back to front."""
        return (part for group in self.groups for part in group)


def build_bird(traits: Traits, scene: Scene) -> Bird:
    """Return the bird of `traits` as it sits in `scene`."""
    rng = np.random.default_rng([scene.detail, 1])
    groups = _posed(traits, scene, rng)
    belly = np.concatenate(
        [part.points for group in groups for part in group if part.name == "belly"]
    )
    foot = np.array([np.mean(belly[:, 0]) - 0.1, belly[:, 1].max() + _LEG.get(scene.pose, 0.0)])
    if scene.pose != "flying":
        groups.insert(1, tuple(_legs(foot, belly[:, 1].max())))
    return _placed(groups, foot, traits.size, scene)


def _posed(traits: Traits, scene: Scene, rng: np.random.Generator) -> list[tuple[Part, ...]]:
    """Return the parts without legs, looking right, in body lengths, turned by the pitch."""
    raised = scene.wings != "folded"
    groups = [
        tuple(_far_wing(scene)) if raised else (),
        tuple(_tail(traits, rng)),
        tuple(_trunk(traits, scene)),
        tuple(_wing(traits, scene)),
        tuple(_bill_and_eye(traits, scene)),
    ]
    return [tuple(_moved(group, lambda curve: turned(curve, -scene.pitch))) for group in groups]


def _moved(parts: Iterable[Part], move: Callable[[Curve], Curve]) -> Iterator[Part]:
    return (replace(part, points=move(part.points)) for part in parts)


def _tail(traits: Traits, rng: np.random.Generator) -> Iterator[Part]:
    lift = rng.uniform(-8, 10)
    root = (-0.4, 0.03)
    yield Part("tail", turned(anatomy.tail(traits.tail), lift, root), inked=True, shade=0.9)
    for line in anatomy.tail_feathers(traits.tail):
        yield Part("seam", turned(line, lift, root), width=0.014)


def _far_wing(scene: Scene) -> Iterator[Part]:
    outline = turned(anatomy.wing(scene.wings).outline, 16 if scene.wings == "up" else -14)
    yield Part("wing", outline + (0.1, -0.02), inked=True, shade=0.78)


def _wing(traits: Traits, scene: Scene) -> Iterator[Part]:
    strip = anatomy.wing(scene.wings)
    yield Part("wing", strip.outline, inked=True)
    for line in anatomy.wing_feathers(strip, scene.wings):
        yield Part("seam", line, width=0.014)
    yield from _pattern(traits, "wing", strip, 0.1, 0.62)


def _trunk(traits: Traits, scene: Scene) -> Iterator[Part]:
    head, belly = anatomy.head(traits.size, traits.bill), anatomy.belly()
    turn = _head_turn(scene)
    yield Part("back", anatomy.body(), inked=True)
    yield Part("back", turn(head.outline), inked=True)
    yield Part("belly", belly.outline)
    yield Part("belly", turn(head.face))
    yield Part("crown", turn(head.crown))
    yield Part("seam", belly.right, width=0.016)
    yield Part("seam", turn(head.brow), width=0.016)
    yield from _pattern(traits, "breast", belly, 0.16, 0.72)


def _head_turn(scene: Scene) -> Callable[[Curve], Curve]:
    """Return the move of everything on the head; the body's pitch is undone, so heads are level."""
    x, _ = anatomy.HEAD_CENTRE

    def turn(curve: Curve) -> Curve:
        nodded = turned(curve, 0.75 * scene.pitch - scene.nod, anatomy.HEAD_CENTRE)
        if not scene.looks_back:
            return nodded
        level = turned(curve, -scene.nod, anatomy.HEAD_CENTRE)
        mirrored = level * (-1, 1) + (2 * x, 0)
        return turned(mirrored, 0.75 * scene.pitch, anatomy.HEAD_CENTRE)

    return turn


def _bill_and_eye(traits: Traits, scene: Scene) -> Iterator[Part]:
    head = anatomy.head(traits.size, traits.bill)
    turn = _head_turn(scene)
    yield Part("bill", turn(head.bill.outline), inked=True)
    yield Part("seam", turn(head.mouth), width=0.014)
    yield Part("eye", turn(arc(head.eye, 0.062, 0, 345)))
    yield Part("pupil", turn(arc(head.eye, 0.046, 0, 345)), inked=True)
    glint = (head.eye[0] + 0.015, head.eye[1] - 0.017)
    yield Part("eye", turn(arc(glint, 0.014, 0, 345)))


def _pattern(traits: Traits, where: str, strip: Strip, start: float, stop: float) -> Iterator[Part]:
    """Draw the stripes or spots of `where` on the strip from u = start to stop."""
    if traits.pattern == f"striped {where}":
        for u in np.linspace(start, stop, 5):
            yield Part("pattern", strip.at(u, np.linspace(0.06, 0.9, 9)), width=0.042)
    if traits.pattern == f"spotted {where}":
        for row, v in enumerate((0.22, 0.5, 0.78)):
            for u in np.linspace(start, stop, 5) + 0.06 * (row % 2):
                x, y = strip.at(u, v)[0]
                yield Part("pattern", arc((float(x), float(y)), 0.031, 0, 345))


def _legs(foot: Curve, hip: float) -> Iterator[Part]:
    for side in (-0.07, 0.07):
        x, y = foot[0] + side, foot[1]
        leg = np.array([(x + 0.04, hip - 0.1), (x - 0.02, (hip + y) / 2), (x, y)])
        yield Part("leg", resample(leg, 8), width=0.035)
        for toe in (-0.07, 0.05, 0.1):
            yield Part(
                "leg", resample(np.array([(x, y - 0.01), (x + toe, y + 0.02)]), 4), width=0.03
            )


def _placed(groups: list[tuple[Part, ...]], foot: Curve, size: str, scene: Scene) -> Bird:
    """Mirror, scale and shift the bird into the image; a close view may cut it."""
    points = np.concatenate([part.points for group in groups for part in group])
    low, high = points.min(0), points.max(0)
    length = scene.zoom * _LENGTH[size]
    length = min(length, _FITS * max(1.0, scene.zoom / 1.3) / float((high - low).max()))
    mirror = np.array([scene.facing, 1])
    centre = mirror * (low + high) / 2
    offset = 0.5 + np.asarray(scene.shift) - length * centre

    def place(curve: Curve) -> Curve:
        moved: Curve = length * mirror * curve + offset
        return moved

    placed = tuple(
        tuple(replace(p, points=place(p.points), width=p.width * length) for p in group)
        for group in groups
    )
    x, y = place(foot)
    unit = length / _LENGTH[size] * _LENGTH["medium"]
    return Bird(placed, (float(x), float(y)), unit)
