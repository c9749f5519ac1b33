"""Batches come in the reference's order; its peculiarities are exactly those that are published."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.errors import ConfigError
from zscr.train.sampler import ClassSampler


def starts(counts: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def sampler(classes: int, batch_size: int, *, images: int = 3, texts: int = 2, **options):
    return ClassSampler(
        starts([images] * classes),
        starts([texts] * classes),
        batch_size=batch_size,
        **{"seed": 1} | options,
    )


SIZES = {"classes": st.integers(2, 12), "batch_size": st.integers(2, 20), "seed": st.integers(0, 9)}


@given(**SIZES)
def test_no_class_stands_beside_itself(classes: int, batch_size: int, seed: int) -> None:
    """Row i's wrong pair is row i-1, and row 0's is the last: never of the same class."""
    if classes == 2:
        batch_size += batch_size % 2
    made = sampler(classes, batch_size, seed=seed)
    for _ in range(8):
        found = made.draw().classes
        assert (found != np.roll(found, 1)).all()
        assert len(found) == batch_size
        assert found.min() >= 0
        assert found.max() < classes


@given(classes=st.integers(3, 30), batch_size=st.integers(2, 29), seed=st.integers(0, 9))
def test_every_pass_has_every_class_once(classes: int, batch_size: int, seed: int) -> None:
    """The slices of a pass are a permutation; the first is the collection's order."""
    batch_size = min(batch_size, classes - 1)
    made = sampler(classes, batch_size, seed=seed, zero_pad_tail=True)
    for number in range(3):
        drawn: list[int] = []
        while len(drawn) < classes:
            found = made.draw().classes
            drawn += found[found >= 0].tolist()
        assert sorted(drawn) == list(range(classes))
        if number == 0:
            assert drawn == sorted(drawn)


@given(**SIZES)
def test_a_filled_tail_is_padded_with_other_classes(classes: int, batch_size: int, seed: int):
    """Without the released bug the rows after the pass's last class are other classes, once."""
    if batch_size >= classes:
        return
    padded = sampler(classes, batch_size, seed=seed, zero_pad_tail=True)
    filled = sampler(classes, batch_size, seed=seed)
    first_pass = -(-classes // batch_size)
    for _ in range(first_pass):
        short, full = padded.draw().classes, filled.draw().classes
        kept = short[short >= 0]
        assert full[: len(kept)].tolist() == kept.tolist()
        assert len(set(full.tolist())) == batch_size


def test_later_passes_are_shuffled() -> None:
    """The list is shuffled when it wraps around, differently for different seeds."""
    passes = {seed: [] for seed in (1, 2)}
    for seed, drawn in passes.items():
        made = sampler(20, 10, seed=seed)
        for _ in range(6):
            drawn.append(made.draw().classes.tolist())
    first, second = passes[1], passes[2]
    assert first[:2] == second[:2] == [[*range(10)], [*range(10, 20)]]
    assert first[2:4] != second[2:4]
    assert first[2:4] != first[4:6]


@given(
    counts=st.lists(st.integers(1, 5), min_size=3, max_size=8),
    batch_size=st.integers(2, 12),
    draws=st.integers(1, 12),
)
def test_images_go_round_from_the_second(counts: list[int], batch_size: int, draws: int) -> None:
    """Each class gives its images in stored order, starting at index 1, and all equally often."""
    made = ClassSampler(starts(counts), starts([1] * len(counts)), batch_size=batch_size, seed=3)
    given: dict[int, list[int]] = {c: [] for c in range(len(counts))}
    for _ in range(draws):
        draw = made.draw()
        for c, row in zip(draw.classes, draw.images, strict=True):
            given[c].append(int(row - made.image_starts[c]))
    for c, indices in given.items():
        assert indices == [(n + 1) % counts[c] for n in range(len(indices))]


def test_texts_are_the_first_unless_all_are_asked_for() -> None:
    """As released, a class has one text; with all_texts every one of its own is drawn."""
    first, every = sampler(4, 3, texts=5), sampler(4, 3, texts=5, all_texts=True)
    drawn = Counter()
    for _ in range(200):
        draw = first.draw()
        assert (draw.texts == draw.classes * 5).all()
        draw = every.draw()
        assert (draw.texts // 5 == draw.classes).all()
        drawn.update(draw.texts.tolist())
    assert set(drawn) == set(range(20))
    assert min(drawn.values()) > 10  # 600 draws over 20 texts: 30 each


@given(
    **SIZES,
    before=st.integers(0, 7),
    all_texts=st.booleans(),
    zero_pad_tail=st.booleans(),
    allow_same_class_wrong=st.booleans(),
)
def test_state_round_trips_through_json(
    classes: int, batch_size: int, seed: int, before: int, **options: bool
) -> None:
    """A fresh sampler with the saved state draws what the old one goes on to draw."""
    if classes == 2:
        batch_size += batch_size % 2
    made = sampler(classes, batch_size, seed=seed, **options)
    for _ in range(before):
        made.draw()
    other = sampler(classes, batch_size, seed=seed + 1, **options)
    other.state = json.loads(json.dumps(made.state))
    for _ in range(6):
        ours, theirs = made.draw(), other.draw()
        for name in ("classes", "images", "texts"):
            assert getattr(ours, name).tolist() == getattr(theirs, name).tolist()


@pytest.mark.parametrize(
    ("classes", "share"),
    [(82, 0.146), (40, 0.375), (150, 0.0625), (160, 0.0), (323, 0.082)],
    ids=["FLO", "AWA", "CUB", "CUB-SCE", "NAB"],
)
def test_zero_rows_are_as_many_as_published(classes: int, share: float) -> None:
    """With the released bug, this share of the rows of a pass at batch 32 is empty."""
    made = sampler(classes, 32, zero_pad_tail=True)
    draws = [made.draw() for _ in range(-(-classes // 32))]
    empty = np.concatenate([draw.classes for draw in draws]) < 0
    assert empty.mean() == pytest.approx(share, abs=5e-4)
    for draw in draws:  # an empty row is empty in all three, and stands at the end
        assert ((draw.classes < 0) == (draw.images < 0)).all()
        assert ((draw.classes < 0) == (draw.texts < 0)).all()
        assert (np.diff((draw.classes < 0).astype(int)) >= 0).all()


def test_padding_locks_the_generator_to_the_short_slice() -> None:
    """40 classes, batch 32, 5 + 1 draws an iteration: every generator update is 75 % zeros."""
    made = sampler(40, 32, zero_pad_tail=True)
    shares: dict[str, list[float]] = {"critic": [], "generator": [], "csem": []}
    for _ in range(2):  # rounds
        for turn in (["critic"] * 5 + ["generator"]) * 100 + ["csem"] * 100:
            shares[turn].append(float((made.draw().classes < 0).mean()))
    assert set(shares["generator"]) == {0.75}
    assert np.mean(shares["critic"]) == pytest.approx(0.30)
    assert np.mean(shares["csem"]) == pytest.approx(0.375)


@pytest.mark.parametrize(("classes", "share"), [(8, 0.097), (5, 0.176)])
def test_wrong_pairs_of_the_right_class_are_as_many_as_published(
    classes: int, share: float
) -> None:
    """With the released bug, this share of the rows at batch 32 has its own class as wrong."""
    made = sampler(classes, 32, allow_same_class_wrong=True)
    draws = [made.draw().classes for _ in range(3000)]
    same = np.mean([np.mean(found == np.roll(found, 1)) for found in draws])
    assert same == pytest.approx(share, abs=0.004)
    assert all(Counter(found.tolist()).most_common()[-1][1] == 32 // classes for found in draws)


@pytest.mark.parametrize(
    ("images", "texts", "batch_size", "message"),
    [
        ([3], [1], 4, "4 rows from 1 classes"),
        ([3, 3, 3], [1, 1, 1], 1, "1 rows from 3 classes"),
        ([3, 3], [1, 1], 5, "make it even"),
        ([3, 0, 0], [1, 1, 1], 2, "2 of 3 training classes have no images"),
        ([3, 1, 1], [1, 0, 1], 2, "1 of 3 training classes have no texts"),
    ],
)
def test_what_has_no_wrong_pairs_is_refused(
    images: list[int], texts: list[int], batch_size: int, message: str
) -> None:
    """Too few classes or rows, and classes without an image or a text, are one sentence."""
    with pytest.raises(ConfigError, match=message):
        ClassSampler(starts(images), starts(texts), batch_size=batch_size, seed=1)
