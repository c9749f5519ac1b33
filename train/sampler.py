"""Class-wise batches as ZSCRGAN draws them: a slice of classes, an image each, wrong pair next.

The released code's three peculiarities (methods' fact sheet, 1.5) are options here: zero rows
where a pass runs out of classes, wrong pairs of the right class, and the first text only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.errors import ConfigError

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Draw:
    """Row numbers of one batch: (B,) into images and texts; -1 is a row of zeros."""

    classes: Rows
    images: Rows
    texts: Rows


class ClassSampler:
    """Draws batches of classes in the reference's order, with all of its state in `state`.

    Args:
        image_starts: (C+1,) class c owns the image rows [image_starts[c], image_starts[c+1]).
        text_starts: (C+1,) the same for text rows.
        batch_size: B, at least 2, since row i's wrong pair is row i-1.
        seed: of the shuffles.
        all_texts: draw any of the class's texts rather than its first.
        zero_pad_tail: leave rows empty where a pass runs out of classes (released bug A).
        allow_same_class_wrong: let neighbours be of one class (released bug C).

    Raises:
        ConfigError: fewer than 2 classes or rows, or a class without an image or a text.
    """

    def __init__(
        self,
        image_starts: Rows,
        text_starts: Rows,
        *,
        batch_size: int,
        seed: int,
        all_texts: bool = False,
        zero_pad_tail: bool = False,
        allow_same_class_wrong: bool = False,
    ) -> None:
        self.image_starts, self.text_starts = image_starts, text_starts
        self.image_counts, self.text_counts = np.diff(image_starts), np.diff(text_starts)
        self.size, self.count = batch_size, len(self.image_counts)
        self.all_texts, self.zero_pad_tail = all_texts, zero_pad_tail
        self.allow_same_class_wrong = allow_same_class_wrong
        self._check()
        self.rng = np.random.default_rng(seed)
        self.order = np.arange(self.count)  # the first pass keeps the collection's order
        self.position = 0
        self.next_image = np.ones(self.count, np.int64)  # round-robin starts at the second image

    def _check(self) -> None:
        if self.size < 2 or self.count < 2:
            raise ConfigError(
                f"a batch of {self.size} rows from {self.count} classes has no wrong pairs; "
                f"both must be at least 2"
            )
        if self.count == 2 and self.size % 2 and not self.allow_same_class_wrong:
            raise ConfigError(f"2 classes cannot alternate in a batch of {self.size}; make it even")
        for name, counts in (("images", self.image_counts), ("texts", self.text_counts)):
            if counts.min() < 1:
                raise ConfigError(
                    f"{int((counts < 1).sum())} of {self.count} training classes have no {name}; "
                    f"add some or leave these classes out"
                )

    def draw(self) -> Draw:
        """Draw the next batch."""
        classes = self._slice() if self.size < self.count else self._repeated()
        filled = classes >= 0
        images, texts = np.full(self.size, -1), np.full(self.size, -1)
        images[filled], texts[filled] = self._images(classes[filled]), self._texts(classes[filled])
        return Draw(classes, images, texts)

    def _slice(self) -> Rows:
        """Take the next classes of the pass; a short tail is filled, or padded as released."""
        taken = self.order[self.position : self.position + self.size].copy()
        self.position += self.size
        if self.position >= self.count:
            self.rng.shuffle(self.order)
            self.position = 0
        lacking = self.size - len(taken)
        if lacking and self.zero_pad_tail:
            return np.concatenate([taken, np.full(lacking, -1)])
        others = np.setdiff1d(self.order, taken)
        return np.concatenate([taken, self.rng.choice(others, lacking, replace=False)])

    def _repeated(self) -> Rows:
        """Fill a batch of at least all classes: released, the repeated list permuted as a whole."""
        if self.allow_same_class_wrong:
            return self.rng.permutation(np.resize(np.arange(self.count), self.size))
        while True:
            classes = self._chained()
            if classes[0] != classes[-1]:  # row 0's wrong pair is the last row
                return classes

    def _chained(self) -> Rows:
        """Chain permutations of all classes so that no two neighbours are equal."""
        rows: list[int] = []
        while len(rows) < self.size:
            following = self.rng.permutation(self.count)
            if rows and following[0] == rows[-1]:
                following[[0, 1]] = following[[1, 0]]
            rows += following.tolist()
        return np.array(rows[: self.size])

    def _images(self, classes: Rows) -> Rows:
        """Take each class's next image in stored order."""
        rows = np.empty(len(classes), np.int64)
        for row, c in enumerate(classes):
            rows[row] = self.image_starts[c] + self.next_image[c] % self.image_counts[c]
            self.next_image[c] += 1
        return rows

    def _texts(self, classes: Rows) -> Rows:
        first: Rows = self.text_starts[classes]
        if not self.all_texts:
            return first
        return first + self.rng.integers(0, self.text_counts[classes])

    @property
    def state(self) -> dict[str, Any]:
        """Everything that decides the next draws, as JSON can hold it."""
        return {
            "rng": self.rng.bit_generator.state,
            "order": self.order.tolist(),
            "position": self.position,
            "next_image": self.next_image.tolist(),
        }

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self.rng.bit_generator.state = state["rng"]
        self.order = np.array(state["order"])
        self.position = state["position"]
        self.next_image = np.array(state["next_image"])
