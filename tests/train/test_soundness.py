"""Features that cannot be trained on are refused in one sentence with both values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zscr.errors import CollectionError, InputError, MismatchError
from zscr.infer.encoder import Rows
from zscr.infer.features.table import Split, Table, starts_of
from zscr.train.methods.contract import Need
from zscr.train.soundness import check_shapes, check_trainable, shapes_of

NEEDS = (Need("image", least=2), Need("text"))


def make_split(images: list[int], texts: list[int]) -> Split[Rows]:
    """Groups a, b, … with so many images (3-d) and texts (2-d) each."""
    rng, tables = np.random.default_rng(0), {}
    for name, counts, dim in (("image", images, 3), ("text", texts, 2)):
        rows = rng.standard_normal((sum(counts), dim), np.float32)
        ids = tuple(map(str, range(len(rows))))
        tables[name] = Table(ids, rows, starts_of(counts))
    return Split(tuple("abcdef"[: len(images)]), tables)


def with_rows(split: Split[Rows], name: str, rows: Rows) -> Split[Rows]:
    return replace(split, tables={**split.tables, name: replace(split[name], rows=rows)})


def test_a_class_with_fewer_rows_than_are_needed_is_refused() -> None:
    """It is named, with how many there are and must be; each table has its own least number."""
    check_trainable(make_split([2, 2, 3], [1, 1, 1]), NEEDS)
    message = r"1 of 3 seen classes have fewer than 2 images \('b' has 1\); add images or leave"
    with pytest.raises(CollectionError, match=message):
        check_trainable(make_split([2, 1, 3], [1, 1, 1]), NEEDS)
    with pytest.raises(CollectionError, match=r"fewer than 1 texts \('c' has 0\)"):
        check_trainable(make_split([2, 2, 3], [1, 1, 0]), NEEDS)
    with pytest.raises(CollectionError, match=r"2 of 3 seen items have fewer than 3 images"):
        check_trainable(make_split([2, 2, 3], [1, 1, 1]), [Need("image", "item", least=3)])


def test_tables_that_are_not_needed_are_not_looked_at() -> None:
    """A class without any text is no fault where nobody asks for texts."""
    check_trainable(make_split([2, 2], [1, 0]), [Need("image", least=2)])


@pytest.mark.parametrize("name", ["image", "text"])
def test_constant_features_are_refused(name: str) -> None:
    """All rows equal, whatever they hold; a single different number is enough to be let pass."""
    split = make_split([2, 2, 3], [1, 1, 1])
    rows = np.full_like(split[name].rows, 0.5)
    rows[-1, -1] = 0.6
    check_trainable(with_rows(split, name, rows), NEEDS)
    rows[-1, -1] = 0.5
    with pytest.raises(InputError, match=f"all {len(rows)} seen {name}s have the same feature"):
        check_trainable(with_rows(split, name, rows), NEEDS)


def test_other_shapes_than_the_checkpoints_are_refused() -> None:
    """Both are named, of token maps as well."""
    run, found = Path("runs/x"), shapes_of(make_split([2, 2], [1, 1]))
    assert found == {"image": (3,), "text": (2,)}
    check_shapes(run, {"text": (2,), "image": (3,)}, found)
    with pytest.raises(MismatchError, match="on image features of 9 dimensions and these have 3"):
        check_shapes(run, {"text": (2,), "image": (9,)}, found)
    with pytest.raises(MismatchError, match="on text features of 49 x 8 dimensions and these hav"):
        check_shapes(run, {"text": (49, 8), "image": (3,)}, found)
