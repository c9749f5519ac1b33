"""Batches of one text and one image a class as ZSCRGAN draws them, many at a time on the device.

What is peculiar in the released code is an option here: rows of zeros where a pass runs out of
classes, wrong pairs of the right class, and (by `first_texts`) the first text of a class only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from zscr.errors import ConfigError
from zscr.train.methods.zscrgan.class_order import ClassOrder, State
from zscr.train.methods.zscrgan.draws import Draws
from zscr.train.tables import TensorSplit, draw, group_sums

WRONG = ("previous", "random", "nearest", "none")


@dataclass(frozen=True)
class ClassSampler:
    """Draws batches from a split's tables `image` and `text`, in the released order of classes.

    Each class gives its images in stored order from its second on.

    Attributes:
        rows: what is drawn from.
        batch_size: B.
        wrong_class: of the wrong pair: the class of row i-1 (`previous`, as released), a `random`
            other one, or the `nearest` other one by the cosine of mean texts; its text and image
            are row i-1's, or drawn at random (the paper does not say). `none` draws as `previous`.
        zero_pad_tail: leave rows empty where a pass runs out of classes (released bug A).
        allow_same_class_wrong: let a batch repeat classes, which then may stand beside themselves
            (released bug C).

    Raises:
        ConfigError: fewer than 2 classes or rows, a class without an image or a text, or more rows
            than classes where a class must not stand beside itself.
    """

    rows: TensorSplit
    batch_size: int
    wrong_class: str = "previous"
    zero_pad_tail: bool = False
    allow_same_class_wrong: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < 2 or self.classes < 2:
            raise ConfigError(
                f"a batch of {self.batch_size} rows from {self.classes} classes has no wrong "
                f"pairs; both must be at least 2"
            )
        beside = self.wrong_class == "previous" and not self.allow_same_class_wrong
        if self.batch_size > self.classes and beside:
            raise ConfigError(
                f"batch_size={self.batch_size} is more than the {self.classes} seen classes, so a "
                f"class would be its own wrong class; set batch_size={self.classes} or less, or "
                f"allow_same_class_wrong=true"
            )
        for name in ("image", "text"):
            empty = int((self._counts(name) < 1).sum())
            if empty:
                raise ConfigError(
                    f"{empty} of {self.classes} training classes have no {name}s; "
                    f"add some or leave these classes out"
                )

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return len(self.rows["image"].starts) - 1

    @property
    def order(self) -> ClassOrder:
        """The order that classes come in."""
        device = self.rows["image"].rows.device
        return ClassOrder(self.classes, self.batch_size, self.zero_pad_tail, device)

    def start(self) -> State:
        """Return the state before the first batch."""
        turns = torch.ones(self.classes, dtype=torch.int64, device=self.order.device)
        return {"next_image": turns, **self.order.start()}

    def draw(self, batches: int, state: State, noise: torch.Generator) -> Draws:
        """Draw the next batches and move the state on."""
        classes = self.order.draw(batches, state, noise)
        texts = self._any("text", classes, noise)
        images = self._next_images(classes, state)
        if self.wrong_class in ("previous", "none"):
            return Draws(texts, images, texts.roll(1, 1), images.roll(1, 1))
        wrong = self._others(classes, noise)
        return Draws(
            texts, images, self._any("text", wrong, noise), self._any("image", wrong, noise)
        )

    def _counts(self, name: str) -> torch.Tensor:
        """(C,) rows of each class in a table."""
        return self.rows[name].starts.diff()

    def _next_images(self, classes: torch.Tensor, state: State) -> torch.Tensor:
        """Take each class's next image: a row's turn is the number of its class's rows before."""
        flat = classes.flatten()
        grouped, places = flat.sort(stable=True)
        numbers = torch.arange(len(flat), device=flat.device)
        first = torch.searchsorted(grouped, grouped)  # where the row's class begins
        turn = torch.empty_like(flat).scatter_(0, places, numbers - first)
        kept = flat.clamp_min(0)
        place = (state["next_image"][kept] + turn) % self._counts("image")[kept]
        state["next_image"] = state["next_image"].scatter_add(0, kept, (flat >= 0).long())
        index = self.rows["image"].starts[kept] + place
        return torch.where(flat < 0, -1, index).view_as(classes)

    def _any(self, name: str, classes: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """Draw any row of each class from a table; an empty row stays empty."""
        index = draw(self.rows[name].starts, classes.clamp_min(0), noise)
        return torch.where(classes < 0, -1, index)

    def _others(self, classes: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """Choose another class for each row; an empty row stays empty."""
        if self.wrong_class == "nearest":
            other = self._nearest()[classes.clamp_min(0)]
        else:
            share = torch.rand(classes.shape, generator=noise, device=classes.device)
            step = 1 + (share * (self.classes - 1)).long().clamp_max(self.classes - 2)
            other = (classes + step) % self.classes
        return torch.where(classes < 0, -1, other)

    def _nearest(self) -> torch.Tensor:
        """(C,) the other class whose mean text has the highest cosine."""
        unit = functional.normalize(group_sums(self.rows["text"]), dim=1)
        return (unit @ unit.T).fill_diagonal_(-2).argmax(1)
