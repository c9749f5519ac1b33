"""Small splits of ZSCRGAN's two tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from zscr.infer.features.table import Split, Table
from zscr.train.tables import TensorSplit

SplitOf = Callable[..., TensorSplit]


@pytest.fixture(scope="session")
def split_of() -> SplitOf:
    """Return a function that groups rows of images and texts by their counts a class."""

    def table(rows: torch.Tensor, counts: Sequence[int]) -> Table[torch.Tensor]:
        starts = torch.tensor([0, *counts]).cumsum(0).to(rows.device)
        return Table(tuple(f"row {number}" for number in range(len(rows))), rows, starts)

    def make(
        images: torch.Tensor,
        texts: torch.Tensor,
        image_counts: Sequence[int],
        text_counts: Sequence[int],
    ) -> TensorSplit:
        groups = tuple(f"class {number}" for number in range(len(image_counts)))
        tables = {"image": table(images, image_counts), "text": table(texts, text_counts)}
        return Split(groups, tables)

    return make


@pytest.fixture(scope="session")
def random_split(split_of: SplitOf) -> SplitOf:
    """Return a function that draws images (non-negative) and texts, as many in each class."""

    def make(
        classes: int,
        *,
        images: int = 3,
        texts: int = 2,
        image_dim: int = 6,
        text_dim: int = 4,
        device: str = "cpu",
    ) -> TensorSplit:
        noise = torch.Generator().manual_seed(classes)
        image = torch.randn(classes * images, image_dim, generator=noise).relu().to(device)
        text = torch.randn(classes * texts, text_dim, generator=noise).to(device)
        return split_of(image, text, [images] * classes, [texts] * classes)

    return make


@pytest.fixture(scope="session")
def views(split_of: SplitOf) -> SplitOf:
    """Return a function that makes images (5-d) and texts (7-d) two noisy views of one direction.

    Splits of different seeds have different classes under the same views.
    """

    def make(classes: int = 6, seed: int = 0, images: int = 4, texts: int = 2) -> TensorSplit:
        noise = torch.Generator().manual_seed(seed)
        centres = torch.randn(classes, 3, generator=noise)
        both = torch.randn(3, 12, generator=torch.Generator().manual_seed(9))

        def seen(count: int, columns: slice) -> torch.Tensor:
            rows = centres.repeat_interleave(count, 0) @ both[:, columns]
            return rows + 0.1 * torch.randn(rows.shape, generator=noise)

        parts = seen(images, slice(0, 5)), seen(texts, slice(5, 12))
        return split_of(*parts, [images] * classes, [texts] * classes)

    return make
