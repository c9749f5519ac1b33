"""Anatomy: the outlines of a bird that looks right, in body lengths around the body's centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zscr.data.aviary.curves import Curve, Points, Strip, arc, resample, smooth

# From the rump over the back to the throat, then over breast and belly to the vent.
_BACK: Points = ((-0.54, 0.0), (-0.32, -0.15), (-0.02, -0.27), (0.22, -0.34), (0.42, -0.32))
_FRONT: Points = ((0.53, -0.17), (0.52, 0.05), (0.33, 0.23), (0.02, 0.29), (-0.28, 0.2))
_FLANK: Points = ((0.46, -0.3), (0.31, -0.14), (0.2, 0.03), (0.0, 0.11), (-0.28, 0.2))
_PER = 8

HEAD_CENTRE = (0.4, -0.33)
_HEAD_RADIUS = {"small": 0.265, "medium": 0.22, "large": 0.185}

_FOLDED: tuple[Points, Points] = (
    ((0.28, -0.12), (0.2, 0.06), (-0.06, 0.13), (-0.38, 0.08), (-0.68, 0.07)),
    ((0.28, -0.12), (0.1, -0.2), (-0.18, -0.13), (-0.45, -0.01), (-0.68, 0.07)),
)
_RAISED: tuple[Points, Points] = (
    ((0.26, -0.08), (0.31, -0.4), (0.15, -0.68), (-0.14, -0.9)),
    ((-0.27, -0.06), (-0.36, -0.3), (-0.36, -0.6), (-0.14, -0.9)),
)
_FEATHERS = 6  # lobes along the trailing edge of a raised wing

_BILLS: dict[str, tuple[Points, Points]] = {
    "short conical": (
        ((-0.03, -0.1), (0.09, -0.065), (0.19, 0.02)),
        ((-0.03, 0.11), (0.08, 0.09), (0.19, 0.02)),
    ),
    "long straight": (
        ((-0.03, -0.055), (0.25, -0.02), (0.54, 0.01)),
        ((-0.03, 0.06), (0.25, 0.045), (0.54, 0.01)),
    ),
    "hooked": (
        ((-0.03, -0.11), (0.1, -0.12), (0.21, -0.05), (0.25, 0.06), (0.22, 0.17)),
        ((-0.03, 0.1), (0.06, 0.1), (0.13, 0.07), (0.18, 0.08), (0.22, 0.17)),
    ),
    "curved": (
        ((-0.03, -0.06), (0.14, -0.07), (0.3, -0.01), (0.42, 0.12), (0.48, 0.28)),
        ((-0.03, 0.06), (0.13, 0.02), (0.27, 0.06), (0.38, 0.16), (0.48, 0.28)),
    ),
}

# Half outlines of the tail: (distance behind its root, half width).
_TAILS: dict[str, Points] = {
    "short": ((-0.12, 0.09), (0.08, 0.095), (0.2, 0.085), (0.25, 0.0)),
    "long": ((-0.12, 0.07), (0.25, 0.06), (0.6, 0.085), (0.78, 0.075), (0.84, 0.0)),
    "forked": ((-0.12, 0.07), (0.15, 0.085), (0.4, 0.17), (0.66, 0.3), (0.42, 0.1), (0.22, 0.0)),
    "fan-shaped": ((-0.12, 0.07), (0.06, 0.12), (0.25, 0.27), (0.36, 0.33)),
}
_TAIL_ROOT = (-0.46, 0.03)


@dataclass(frozen=True)
class Head:
    """A head that looks right: its outline and what is drawn on it. All (N, 2)."""

    outline: Curve
    crown: Curve
    face: Curve
    brow: Curve
    bill: Strip
    mouth: Curve
    eye: tuple[float, float]


def body() -> Curve:
    """Return the closed outline of the body without head and tail."""
    return smooth((*_BACK, *_FRONT), closed=True, per=_PER)


def belly() -> Strip:
    """Return breast and belly, from the throat to the vent, outer edge first."""
    start = (len(_BACK) - 1) * _PER
    outer = body()[start : start + len(_FRONT) * _PER + 1]
    return Strip(resample(outer, 33), resample(smooth(_FLANK), 33))


def head(size: str, bill: str) -> Head:
    """Return the head of a bird; small birds have large heads."""
    (x, y), r = HEAD_CENTRE, _HEAD_RADIUS[size]
    brow = smooth(((x + r, y + 0.1 * r), (x + 0.2 * r, y - 0.12 * r), (x - 0.97 * r, y + 0.25 * r)))
    chin = smooth(((x - 0.2 * r, y + 0.95 * r), (x - 0.1 * r, y + 0.4 * r), (x + r, y + 0.1 * r)))
    upper, lower = _BILLS[bill]
    base = np.array([x + 0.9 * r, y + 0.1 * r])
    edges = Strip.between(upper, lower)
    edges = Strip(edges.left + base, edges.right + base)
    return Head(
        outline=arc(HEAD_CENTRE, r, 0, 345),
        crown=np.concatenate([arc(HEAD_CENTRE, r, -194, 5), brow]),
        face=np.concatenate([arc(HEAD_CENTRE, r, 5, 102), chin]),
        brow=brow,
        bill=edges,
        mouth=edges.at(np.linspace(0.05, 0.85, 12), 0.55),
        eye=(x + 0.38 * r, y + 0.04 * r),
    )


def tail(shape: str) -> Curve:
    """Return the closed outline of a tail, pointing left."""
    half = np.asarray(_TAILS[shape])
    edge = np.concatenate([half, half[::-1] * (1, -1)])
    if shape == "forked":
        curve = np.concatenate([smooth(half[:4]), smooth(half[3:]), smooth(half[3:][::-1])])
        curve[-len(smooth(half[3:])) :, 1] *= -1
        curve = np.concatenate([curve, smooth(half[:4])[::-1] * (1, -1)])
    elif shape == "fan-shaped":
        side, rim = smooth(half), _fan_rim()
        curve = np.concatenate([side, rim, side[::-1] * (1, -1)])
    else:
        curve = smooth(edge)
    return np.asarray(_TAIL_ROOT) + curve * (-1, 1)


def _fan_rim() -> Curve:
    """Return the scalloped rim of a fan, from its lower to its upper corner."""
    turn = np.linspace(0.62, -0.62, 41)
    radius = 0.53 + 0.035 * np.abs(np.sin(turn / 1.24 * 7 * np.pi + np.pi / 2))
    return np.stack([radius * np.cos(turn) - 0.08, radius * np.sin(turn)], 1)


def tail_feathers(shape: str) -> tuple[Curve, ...]:
    """Return the lines that part the feathers of a tail."""
    ends: dict[str, Points] = {
        "short": ((0.2, 0.03), (0.2, -0.03)),
        "long": ((0.74, 0.025), (0.74, -0.025)),
        "forked": ((0.5, 0.19), (0.5, -0.19)),
        "fan-shaped": tuple(
            (0.5 * np.cos(a) - 0.08, 0.5 * np.sin(a)) for a in (-0.44, -0.15, 0.15, 0.44)
        ),
    }
    root = np.asarray(_TAIL_ROOT)
    lines = (np.array([(0.08, 0.2 * y), (x, y)]) for x, y in ends[shape])
    return tuple(root + resample(line, 8) * (-1, 1) for line in lines)


def wing(position: str) -> Strip:
    """Return the near wing `folded`, `up` or `down`; its trailing edge comes second."""
    if position == "folded":
        return Strip.between(*_FOLDED)
    leading, trailing = (resample(smooth(edge), 33) for edge in _RAISED)
    lobes = np.abs(np.sin(np.linspace(0, np.pi * _FEATHERS, 33)))[:, None]
    strip = Strip(leading, trailing + lobes * (-0.05, 0.02))
    if position == "up":
        return strip
    return Strip(strip.left * (1, -0.95), strip.right * (1, -0.95))


def wing_feathers(strip: Strip, position: str) -> tuple[Curve, ...]:
    """Return the lines that part the feathers of a wing."""
    if position == "folded":
        return tuple(strip.at(np.linspace(0.5, 0.95, 10), v) for v in (0.35, 0.68))
    joints = np.arange(1, _FEATHERS) / _FEATHERS
    return tuple(strip.at(u, np.linspace(1.0, 0.62, 6)) for u in joints)
