"""Class-wise batches as ZSCRGAN draws them, many at a time and on the device.

The released code's peculiarities (methods' fact sheet, 1.5) are options here: zero rows where a
pass runs out of classes, wrong pairs of the right class, and (by `first_texts`) the first text
of a class only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from zscr.errors import ConfigError
from zscr.train.methods import Rows

WRONG = ("previous", "random", "nearest", "none")
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Draws:
    """Row numbers of K batches, each (K, B); -1 is a row of zeros."""

    texts: torch.Tensor
    images: torch.Tensor
    wrong_texts: torch.Tensor
    wrong_images: torch.Tensor

    @property
    def tables(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """All four."""
        return self.texts, self.images, self.wrong_texts, self.wrong_images

    def within(self, texts: int, images: int) -> Draws:
        """Number a row of zeros as the last of tables with that many rows, not as -1."""
        return Draws(
            self.texts % texts,
            self.images % images,
            self.wrong_texts % texts,
            self.wrong_images % images,
        )

    def __getitem__(self, batches: slice | int) -> Draws:
        """Return some of the batches, or one, (B,)."""
        return Draws(*(table[batches] for table in self.tables))


def first_texts(rows: Rows) -> Rows:
    """Leave each class its first text, as the released code does in training."""
    classes = len(rows.text_starts) - 1
    starts = torch.arange(classes + 1, device=rows.text_starts.device)
    return replace(rows, texts=rows.texts[rows.text_starts[:-1]], text_starts=starts)


@dataclass(frozen=True)
class ClassSampler:
    """Draws batches of classes in the released order.

    A batch takes the next slice of the list of classes, which is shuffled when it wraps around; a
    batch of at least all classes repeats the list and permutes it as a whole. Each class gives
    its images in stored order from its second on.

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

    rows: Rows
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
        for name, counts in (("images", self.image_counts), ("texts", self.text_counts)):
            empty = int((counts < 1).sum())
            if empty:
                raise ConfigError(
                    f"{empty} of {self.classes} training classes have no {name}; "
                    f"add some or leave these classes out"
                )

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return len(self.rows.image_starts) - 1

    @property
    def image_counts(self) -> torch.Tensor:
        """(C,) images of each class."""
        return self.rows.image_starts.diff()

    @property
    def text_counts(self) -> torch.Tensor:
        """(C,) texts of each class."""
        return self.rows.text_starts.diff()

    @property
    def slices(self) -> int:
        """Batches in a pass over the classes."""
        return -(-self.classes // self.batch_size)

    def start(self) -> State:
        """Return the state before the first batch: the first pass keeps the collection's order."""
        device = self.rows.images.device
        state = {"next_image": torch.ones(self.classes, dtype=torch.int64, device=device)}
        if self.batch_size < self.classes:
            order = torch.arange(self.classes, device=device)[None]
            # The fillers of the very first tail are the first classes: nothing is drawn yet.
            state["order"] = self._padded(order, order[:, : self._lacking])[0]
            state["position"] = torch.zeros((), dtype=torch.int64, device=device)
        return state

    def draw(self, batches: int, state: State, noise: torch.Generator) -> Draws:
        """Draw the next batches and move the state on."""
        if self.batch_size < self.classes:
            classes = self._slices(batches, state, noise)
        else:
            classes = self._repeated(batches, noise)
        texts = self._any_texts(classes, noise)
        images = self._next_images(classes, state)
        if self.wrong_class in ("previous", "none"):
            return Draws(texts, images, texts.roll(1, 1), images.roll(1, 1))
        wrong = self._others(classes, noise)
        return Draws(texts, images, self._any_texts(wrong, noise), self._any_images(wrong, noise))

    @property
    def _lacking(self) -> int:
        return self.slices * self.batch_size - self.classes

    def _padded(self, order: torch.Tensor, fillers: torch.Tensor) -> torch.Tensor:
        """Fill passes (P, C) up to whole batches (P, S·B), with -1 or with other classes."""
        tail = torch.full_like(fillers, -1) if self.zero_pad_tail else fillers
        return torch.cat([order, tail], 1)

    def _slices(self, batches: int, state: State, noise: torch.Generator) -> torch.Tensor:
        """Take the next (K, B) classes; enough passes are shuffled for any position."""
        passes = batches // self.slices + 1
        order = self._shuffled(passes, self.classes, noise)
        before_tail = (self.slices - 1) * self.batch_size
        chosen = self._shuffled(passes, before_tail, noise)[:, : self._lacking]
        table = torch.cat([state["order"][None], self._padded(order, order.gather(1, chosen))])
        position = state["position"]
        rows = position + torch.arange(batches, device=table.device)
        passed = (position + batches) // self.slices
        state["order"] = table.index_select(0, passed.view(1))[0]  # table[passed] would wait for it
        state["position"] = (position + batches) % self.slices
        return table.view(-1, self.batch_size)[rows]

    def _repeated(self, batches: int, noise: torch.Generator) -> torch.Tensor:
        """Repeat the list of classes to B rows and permute it as a whole."""
        return self._shuffled(batches, self.batch_size, noise) % self.classes

    def _shuffled(self, count: int, width: int, noise: torch.Generator) -> torch.Tensor:
        """Draw `count` permutations of `width` numbers."""
        device = self.rows.images.device
        return torch.rand(count, width, generator=noise, device=device).argsort(1)

    def _next_images(self, classes: torch.Tensor, state: State) -> torch.Tensor:
        """Take each class's next image: a row's turn is the number of its class's rows before."""
        flat = classes.flatten()
        grouped, places = flat.sort(stable=True)
        numbers = torch.arange(len(flat), device=flat.device)
        first = torch.searchsorted(grouped, grouped)  # where the row's class begins
        turn = torch.empty_like(flat).scatter_(0, places, numbers - first)
        kept = flat.clamp_min(0)
        index = (
            self.rows.image_starts[kept]
            + (state["next_image"][kept] + turn) % (self.image_counts[kept])
        )
        state["next_image"] = state["next_image"].scatter_add(0, kept, (flat >= 0).long())
        return torch.where(flat < 0, -1, index).view_as(classes)

    def _any_texts(self, classes: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        return self._any(classes, self.rows.text_starts, self.text_counts, noise)

    def _any_images(self, classes: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        return self._any(classes, self.rows.image_starts, self.image_counts, noise)

    def _any(
        self,
        classes: torch.Tensor,
        starts: torch.Tensor,
        counts: torch.Tensor,
        noise: torch.Generator,
    ) -> torch.Tensor:
        """Draw any row of each class."""
        kept = classes.clamp_min(0)
        share = torch.rand(classes.shape, generator=noise, device=classes.device)
        # A float below 1 times a count may round up to the count itself.
        offset = (share * counts[kept]).long().minimum(counts[kept] - 1)
        return torch.where(classes < 0, -1, starts[kept] + offset)

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
        counts, texts = self.text_counts, self.rows.texts
        owner = torch.repeat_interleave(counts, output_size=len(texts))
        sums = texts.new_zeros(len(counts), texts.shape[1]).index_add_(0, owner, texts)
        unit = functional.normalize(sums, dim=1)
        return (unit @ unit.T).fill_diagonal_(-2).argmax(1)
