"""Plane curves as arrays of points, the material that birds are made of; y points down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Curve = npt.NDArray[np.float64]  # (N, 2)
Points = Sequence[tuple[float, float]]


def smooth(points: Points | Curve, *, closed: bool = False, per: int = 8) -> Curve:
    """Return the uniform Catmull-Rom spline through `points`, `per` samples a segment."""
    knots = np.asarray(points, dtype=np.float64)
    ends = (knots[-1:], knots[:2]) if closed else (knots[:1], knots[-1:])
    padded = np.concatenate([ends[0], knots, ends[1]])
    p0, p1, p2, p3 = (padded[i : len(padded) - 3 + i, None] for i in range(4))
    t = (np.arange(per) / per)[None, :, None]
    linear, square = p2 - p0, 2 * p0 - 5 * p1 + 4 * p2 - p3
    spline = p1 + 0.5 * (linear * t + square * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    curve: Curve = spline.reshape(-1, 2)
    return curve if closed else np.concatenate([curve, knots[-1:]])


def resample(curve: Curve, count: int) -> Curve:
    """Return `count` points spaced evenly along the length of `curve`."""
    steps = np.hypot(*np.diff(curve, axis=0).T)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.linspace(0.0, length[-1], count)
    return np.stack([np.interp(at, length, curve[:, 0]), np.interp(at, length, curve[:, 1])], 1)


def turned(curve: Curve, degrees: float, about: tuple[float, float] = (0.0, 0.0)) -> Curve:
    """Return `curve` rotated about a point; positive angles turn clockwise on the screen."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = (curve - about).T
    return np.stack([cos * x - sin * y, sin * x + cos * y], 1) + about


def arc(centre: tuple[float, float], radius: float, start: float, stop: float) -> Curve:
    """Return 24 points of a circle from `start` to `stop` degrees (90 is below the centre)."""
    angle = np.deg2rad(np.linspace(start, stop, 24))
    return np.asarray(centre) + radius * np.stack([np.cos(angle), np.sin(angle)], 1)


@dataclass(frozen=True)
class Strip:
    """The surface between two edges, addressed by u along them and v from `left` to `right`."""

    left: Curve
    right: Curve

    @classmethod
    def between(cls, left: Points, right: Points, count: int = 33) -> Strip:
        """Span a strip between two splines that run in the same direction."""
        return cls(resample(smooth(left), count), resample(smooth(right), count))

    @property
    def outline(self) -> Curve:
        """The closed outline, without repeating the first point."""
        return np.concatenate([self.left, self.right[::-1]])

    def at(self, u: npt.ArrayLike, v: npt.ArrayLike) -> Curve:
        """Return the points at `u`, `v` in 0..1, which broadcast against each other."""
        along, across = np.broadcast_arrays(np.atleast_1d(u), np.atleast_1d(v))
        row = np.rint(along * (len(self.left) - 1)).astype(int)
        share = across[:, None]
        points: Curve = self.left[row] * (1 - share) + self.right[row] * share
        return points
