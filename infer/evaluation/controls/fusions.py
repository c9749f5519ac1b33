"""Controls that compose an image and a text without training, in the space that both share.

Each is what a user could do with the model's own image and text graphs alone. Their few numbers are
chosen on validation queries of the same task; where there are none they are the published ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zscr.data.tasks import Task
from zscr.infer.composition.affine import Affine, affine
from zscr.infer.composition.composition import Fusion
from zscr.infer.composition.fusion import weights_of
from zscr.infer.evaluation.controls.control import unit
from zscr.infer.evaluation.controls.selected import Values, best_of
from zscr.infer.evaluation.embedded import Embedded, Vectors
from zscr.infer.evaluation.fused import Fused
from zscr.infer.evaluation.ranked import Ranked

_TENTHS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
# The published one first.
SHARES = tuple(dict.fromkeys((0.5, *_TENTHS)))  # of the text
ALPHAS = tuple(dict.fromkeys((0.8, *_TENTHS)))
FACTORS = (1.0, 0.1, 0.25, 0.5, 0.75, 1.25, 1.5, 2.0, 3.0, 5.0)


@dataclass(frozen=True, eq=False)
class Parts:
    """A task whose queries are an image (or sketch) and a text, with unit rows of one space.

    Attributes:
        image, text: (Q, D); gallery: (G, D).
        texts: (Q,) the texts themselves, without a place for the image.
        replaced: (Q, D) of what each text replaces, where all queries say it.
        phrased: (Q, D) of each text among words (BASIC); None takes the text alone.
    """

    task: Task
    image: Vectors
    text: Vectors
    gallery: Vectors
    texts: Sequence[str]
    replaced: Vectors | None = None
    phrased: Vectors | None = None


@dataclass(frozen=True)
class Way:
    """One way to compose.

    Attributes:
        name: what tables call it.
        rank: of parts and values of the grid.
        grid: number -> the values to try, the published one first.
        about: what people must know to read its figures.
    """

    name: str
    rank: Callable[[Parts, Values], Ranked]
    grid: Mapping[str, Sequence[float]] = field(default_factory=dict)
    about: str = ""

    def judged(self, parts: Parts, val: Parts | None) -> tuple[Ranked, dict[str, Any]]:
        """Return the task as it ranks it, and what a report says of how its numbers were chosen.

        Args:
            parts: what is judged on, which chooses nothing.
            val: validation queries of the same task; None takes the published numbers.
        """
        values: Values = {name: tried[0] for name, tried in self.grid.items()}
        said: dict[str, Any] = {"published": dict(values)} if values else {}
        if val is not None and self.grid:
            values, said = best_of(self.grid, lambda tried: self.rank(val, tried).figure("mAP"))
        said |= {"about": self.about} if self.about else {}
        return self.rank(parts, values), said


def plain_ways() -> list[Way]:
    """Return the ways that need nothing but the parts."""
    return [
        Way("weighted average", _weighted, {"text_weight": SHARES}),
        Way("product", _product),
        Way("Slerp", _slerp, {"alpha": ALPHAS}),
        Way("WeiCom", _weicom, {"text_share": SHARES}),
    ]


def arithmetic_way(mean: Vectors, about: str) -> Way:
    """Return text arithmetic that is not told what a text replaces.

    Args:
        mean: (D,) of texts as of this task, which is subtracted instead.
        about: what it is the mean of.
    """
    return Way("text arithmetic", _less(mean), {"factor": FACTORS}, about)


def replacing_way() -> Way:
    """Return text arithmetic that is told what each text replaces."""
    return Way("text arithmetic, replaced text known", _replacing, {"factor": FACTORS})


def _weighted(parts: Parts, values: Values) -> Ranked:
    share = values["text_weight"]
    return _one_vector(parts, (1 - share) * parts.image + share * parts.text)


def _product(parts: Parts, _: Values) -> Ranked:
    return Fused(parts.task, _channels(parts), parts.gallery, Fusion("product"))


def _weicom(parts: Parts, values: Values) -> Ranked:
    fusion = Fusion("cdf", value=values["text_share"])
    return Fused(parts.task, _channels(parts), parts.gallery, fusion)


def _slerp(parts: Parts, values: Values) -> Ranked:
    cosines = np.einsum("qd,qd->q", parts.image, parts.text, dtype=np.float64)
    image, text = weights_of(Fusion("slerp", value=values["alpha"]), 2, cosines).T
    return _one_vector(parts, image[:, None] * parts.image + text[:, None] * parts.text)


def _less(mean: Vectors) -> Callable[[Parts, Values], Ranked]:
    def rank(parts: Parts, values: Values) -> Ranked:
        return _one_vector(parts, parts.image + values["factor"] * (parts.text - mean))

    return rank


def _replacing(parts: Parts, values: Values) -> Ranked:
    assert parts.replaced is not None, "asked for where all queries say what their text replaces"
    difference = parts.text - parts.replaced
    return _one_vector(parts, parts.image + values["factor"] * difference)


def _channels(parts: Parts) -> tuple[Affine, Affine]:
    return affine(parts.image), affine(parts.text)


def _one_vector(parts: Parts, queries: Vectors) -> Embedded:
    return Embedded(parts.task, unit(queries), parts.gallery)
