"""What alignment is trained on: a sketch, an image of its class, another sketch, another image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from zscr.errors import ConfigError
from zscr.train.tables import draw


class Tuples(NamedTuple):
    """T tuples, by row numbers (T,) of sketches and images that stand group after group.

    Attributes:
        sketch: of class A; image: of class A.
        other_sketch: another one of class A; other_image: of a class C.
        own: the number of class A; other: of class C.
    """

    sketch: torch.Tensor
    image: torch.Tensor
    other_sketch: torch.Tensor
    other_image: torch.Tensor
    own: torch.Tensor
    other: torch.Tensor


def require_others(classes: Sequence[str]) -> None:
    """Refuse seen classes among which a sketch has none to be told from.

    Raises:
        ConfigError: there is one alone.
    """
    if len(classes) < 2:
        raise ConfigError(
            f"'{classes[0]}' is the only seen class, and a sketch is told from those of other "
            f"classes; give the split a second class"
        )


def draw_tuples(
    sketch: torch.Tensor,
    sketch_starts: torch.Tensor,
    image_starts: torch.Tensor,
    noise: torch.Generator,
) -> Tuples:
    """Draw a tuple for each of the sketches, row numbers (T,), by ZSE-SBIR's rule.

    ZSE-SBIR draws three different classes and uses the first and the third, which two different
    ones are alike. It never draws the first file of a class, by an index from 1; here all are.

    Args:
        sketch: of any of the classes.
        sketch_starts, image_starts: (C+1,) of a table, or of a batch in the same order; C > 1, and
            each class has both. The only sketch of a class is its other one, too.
        noise: of the draws, on their device.
    """
    own = torch.searchsorted(sketch_starts, sketch, right=True) - 1
    return Tuples(
        sketch,
        draw(image_starts, own, noise),
        _another(sketch, sketch_starts, own, noise),
        draw(image_starts, other := _other(own, len(sketch_starts) - 1, noise), noise),
        own,
        other,
    )


def _other(own: torch.Tensor, classes: int, noise: torch.Generator) -> torch.Tensor:
    """Draw another class for each: 1 to C - 1 places further on, around the end."""
    step = torch.randint(1, classes, own.shape, generator=noise, device=own.device)
    return (own + step) % classes


def _another(
    rows: torch.Tensor, starts: torch.Tensor, groups: torch.Tensor, noise: torch.Generator
) -> torch.Tensor:
    """Draw another row of the same group: 1 to n - 1 places further on, around the group's end."""
    first, count = starts[groups], starts.diff()[groups]
    share = torch.rand(rows.shape, generator=noise, device=rows.device)
    step = 1 + (share * (count - 1)).long()
    return first + (rows - first + step) % count
