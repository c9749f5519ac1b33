"""Batches come in the reference's order; its peculiarities are exactly those that are published."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zscr.errors import ConfigError
from zscr.infer.features.table import Split, Table
from zscr.train.methods.zscrgan.draws import Draws, first_texts
from zscr.train.methods.zscrgan.reference.plain_batches import repeated
from zscr.train.methods.zscrgan.sampler import ClassSampler
from zscr.train.tables import TensorSplit


def table_of(rows: torch.Tensor, counts: list[int]) -> Table[torch.Tensor]:
    starts = torch.tensor([0, *np.cumsum(counts)])
    return Table(tuple(str(number) for number in range(len(rows))), rows, starts)


def rows_of(images: list[int], texts: list[int]) -> TensorSplit:
    """Make rows whose features are their own numbers."""
    counts = {"image": images, "text": texts}
    tables = {
        name: table_of(torch.arange(float(sum(own)))[:, None], own) for name, own in counts.items()
    }
    return Split(tuple(str(number) for number in range(len(images))), tables)


class Drawer:
    """A sampler with its state and noise; an image or text row tells its class."""

    def __init__(
        self, classes: int, batch_size: int, *, images=3, texts=2, seed=1, chunk=7, **options
    ) -> None:
        rows = rows_of([images] * classes, [texts] * classes)
        self.sampler = ClassSampler(rows, batch_size, **options)
        self.state, self.noise = self.sampler.start(), torch.Generator().manual_seed(seed)
        self.images, self.texts, self.chunk = images, texts, chunk

    def draw(self, batches: int) -> Draws:
        """Draw in several calls, so that the state is carried between them."""
        parts = [
            self.sampler.draw(min(self.chunk, batches - start), self.state, self.noise)
            for start in range(0, batches, self.chunk)
        ]
        names = ("texts", "images", "wrong_texts", "wrong_images")
        return Draws(*(torch.cat([getattr(part, name) for part in parts]) for name in names))

    def classes(self, batches: int) -> np.ndarray:
        """Draw (K, B) classes, -1 for an empty row."""
        draws = self.draw(batches)
        found = draws.images.div(self.images, rounding_mode="floor")
        assert torch.equal(found, draws.texts.div(self.texts, rounding_mode="floor"))
        return found.numpy()


SIZES = {"classes": st.integers(2, 12), "batch_size": st.integers(2, 20), "seed": st.integers(0, 9)}


@given(**SIZES)
def test_no_class_stands_beside_itself(classes: int, batch_size: int, seed: int) -> None:
    """Row i's wrong pair is row i-1, and row 0's is the last: never of the same class."""
    batch_size = min(batch_size, classes)
    found = Drawer(classes, batch_size, seed=seed).classes(16)
    assert found.shape == (16, batch_size)
    assert (found != np.roll(found, 1, 1)).all()
    assert found.min() >= 0
    assert found.max() < classes


def test_the_wrong_pair_is_the_row_before() -> None:
    """In each batch; before row 0 stands the last one, and text and image stay together."""
    draws = Drawer(9, 4).draw(8)
    pairs = ((draws.texts, draws.wrong_texts), (draws.images, draws.wrong_images))
    for right, wrong in pairs:
        assert torch.equal(wrong[:, 1:], right[:, :-1])
        assert torch.equal(wrong[:, 0], right[:, -1])


@given(classes=st.integers(3, 30), batch_size=st.integers(2, 29), chunk=st.integers(1, 9))
def test_every_pass_has_every_class_once(classes: int, batch_size: int, chunk: int) -> None:
    """The slices of a pass are a permutation, however many are drawn in one call."""
    batch_size = min(batch_size, classes - 1)
    slices = -(-classes // batch_size)
    found = Drawer(classes, batch_size, chunk=chunk, zero_pad_tail=True).classes(3 * slices)
    for number, drawn in enumerate(found.reshape(3, -1)):
        assert sorted(drawn[drawn >= 0]) == list(range(classes))
        if number == 0:
            assert drawn[:classes].tolist() == list(range(classes))


@given(classes=st.integers(3, 30), batch_size=st.integers(2, 29))
def test_a_filled_tail_is_padded_with_other_classes(classes: int, batch_size: int) -> None:
    """Without the released bug the rows after the pass's last class are other classes, once."""
    batch_size = min(batch_size, classes - 1)
    slices = -(-classes // batch_size)
    found = Drawer(classes, batch_size).classes(4 * slices)
    assert all(len(set(batch)) == batch_size for batch in found)
    for drawn in found.reshape(4, -1):
        assert sorted(drawn[:classes]) == list(range(classes))


def test_later_passes_are_shuffled() -> None:
    """The list is shuffled when it wraps around, differently for different seeds."""
    first, second = (Drawer(20, 10, seed=seed).classes(6).tolist() for seed in (1, 2))
    assert first[:2] == second[:2] == [[*range(10)], [*range(10, 20)]]
    assert first[2:4] != second[2:4]
    assert first[2:4] != first[4:6]


@given(
    counts=st.lists(st.integers(1, 5), min_size=3, max_size=8),
    batch_size=st.integers(2, 12),
    draws=st.integers(1, 12),
    zero_pad_tail=st.booleans(),
)
def test_images_go_round_from_the_second(
    counts: list[int], batch_size: int, draws: int, zero_pad_tail: bool
) -> None:
    """Each class gives its images in stored order, starting at index 1, and all equally often."""
    rows = rows_of(counts, [1] * len(counts))
    bugs = {"zero_pad_tail": zero_pad_tail, "allow_same_class_wrong": True}
    made = ClassSampler(rows, batch_size, **bugs)
    state, noise = made.start(), torch.Generator().manual_seed(3)
    given: dict[int, list[int]] = {c: [] for c in range(len(counts))}
    for batches in (draws, 1, 3):  # the turns go on from call to call
        draw = made.draw(batches, state, noise)
        for c, row in zip(
            draw.texts.flatten().tolist(), draw.images.flatten().tolist(), strict=True
        ):
            if c >= 0:
                given[c].append(row - int(rows["image"].starts[c]))
    for c, indices in given.items():
        assert indices == [(n + 1) % counts[c] for n in range(len(indices))]


def test_every_text_is_drawn_unless_rows_have_the_first_only() -> None:
    """All texts of a class are drawn alike; `first_texts` leaves each class its first."""
    rows = rows_of([3] * 4, [5, 1, 5, 5])
    made = ClassSampler(rows, 3)
    drawn = made.draw(400, made.start(), torch.Generator().manual_seed(1)).texts
    counts = Counter(drawn.flatten().tolist())
    assert set(counts) == set(range(16))
    assert all(30 < counts[n] < 90 for n in range(16) if n != 5)  # 60 expected, but 300 of class 1
    first = first_texts(rows)["text"]
    assert first.rows.flatten().tolist() == [0, 5, 6, 11]
    assert first.starts.tolist() == [0, 1, 2, 3, 4]
    assert first.ids == ("0", "5", "6", "11")


def test_rows_of_zeros_are_numbered_as_the_last() -> None:
    """Of tables with 3 texts and 5 images, the last of which is zeros: 2 and 4; others stay."""
    given = torch.tensor([[0, 1, -1]]), torch.tensor([[3, 0, -1]])
    draws = Draws(*given, *(table.roll(1, 1) for table in given)).within(3, 5)
    assert [table.tolist() for table in draws.tables] == [
        [[0, 1, 2]],
        [[3, 0, 4]],
        [[2, 0, 1]],
        [[4, 3, 0]],
    ]


OPTIONS = {"zero_pad_tail": st.booleans(), "wrong_class": st.sampled_from(["previous", "random"])}


@given(**SIZES, before=st.integers(1, 7), **OPTIONS)
def test_state_and_noise_are_all_that_decides(
    classes: int, batch_size: int, seed: int, before: int, **options: object
) -> None:
    """A fresh sampler with the old one's state and noise draws what the old one goes on to draw."""
    options |= {"seed": seed, "allow_same_class_wrong": True}
    made, other = (Drawer(classes, batch_size, **options) for _ in range(2))
    made.draw(before)
    other.state = {name: tensor.clone() for name, tensor in made.state.items()}
    other.noise.set_state(made.noise.get_state())
    ours, theirs = made.draw(9), other.draw(9)
    for name in ("texts", "images", "wrong_texts", "wrong_images"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name


@pytest.mark.parametrize(
    ("classes", "share"),
    [(82, 0.146), (40, 0.375), (150, 0.0625), (160, 0.0), (323, 0.082)],
    ids=["FLO", "AWA", "CUB", "CUB-SCE", "NAB"],
)
def test_zero_rows_are_as_many_as_published(classes: int, share: float) -> None:
    """With the released bug, this share of the rows of a pass at batch 32 is empty."""
    found = Drawer(classes, 32, zero_pad_tail=True).classes(-(-classes // 32))
    assert (found < 0).mean() == pytest.approx(share, abs=5e-4)
    assert (np.diff((found < 0).astype(int), axis=1) >= 0).all()  # they stand at the end


@pytest.mark.parametrize(
    ("classes", "shares"),
    [(40, (0.30, 0.75, 0.375)), (100, (0.175, 0.4375, 0.21875))],
    ids=["AWA", "CUB with validation classes"],
)
def test_padding_locks_the_generator_to_one_slice(
    classes: int, shares: tuple[float, float, float]
) -> None:
    """5 + 1 draws an iteration: on AWA every generator update has the short slice, 75 % zeros."""
    turns = np.array((["critic"] * 5 + ["generator"]) * 100 + ["csem"] * 100)
    found = Drawer(classes, 32, zero_pad_tail=True, chunk=700).classes(1400)
    empty = (found < 0).mean(1).reshape(2, 700)
    for turn, share in zip(("critic", "generator", "csem"), shares, strict=True):
        assert empty[:, turns == turn].mean() == pytest.approx(share, abs=0.001), turn
    if classes == 40:
        assert set(empty[:, turns == "generator"].flatten()) == {0.75}


@pytest.mark.parametrize(("classes", "share"), [(8, 0.097), (5, 0.176)])
def test_wrong_pairs_of_the_right_class_are_as_many_as_published(
    classes: int, share: float
) -> None:
    """With the released bug, this share of the rows at batch 32 has its own class as wrong."""
    found = Drawer(classes, 32, chunk=3000, allow_same_class_wrong=True).classes(3000)
    assert np.mean(found == np.roll(found, 1, 1)) == pytest.approx(share, abs=0.004)
    assert all(Counter(batch).most_common()[-1][1] == 32 // classes for batch in found.tolist())


@pytest.mark.parametrize(("classes", "batch_size"), [(3, 32), (6, 8), (4, 8)])
@pytest.mark.parametrize("port", [False, True], ids=["ours", "plain port"])
def test_classes_beyond_the_repeated_list_are_drawn_evenly(
    classes: int, batch_size: int, port: bool
) -> None:
    """As `random.sample` fills a batch: any classes, none twice, so that all come equally often."""
    count = 3000
    if port:
        rng = np.random.default_rng(1)
        found = np.array([repeated(classes, batch_size, rng) for _ in range(count)])
    else:
        made = Drawer(classes, batch_size, allow_same_class_wrong=True, chunk=count)
        found = made.classes(count)
    of_each = (found[:, :, None] == np.arange(classes)).sum(1)
    least, rest = divmod(batch_size, classes)
    assert ((of_each - least).clip(0, 1) == of_each - least).all()
    assert (of_each > least).sum(1).tolist() == [rest] * count
    expected = count * rest / classes  # of 3000; the deviation is at most 26
    assert (of_each > least).sum(0) == pytest.approx(np.full(classes, expected), abs=110)
    places = np.array([(found == c).mean(0) for c in range(classes)])  # permuted as a whole
    assert places == pytest.approx(np.full((classes, batch_size), 1 / classes), abs=0.04)


@given(**SIZES, wrong=st.sampled_from(["random", "nearest"]), zero_pad_tail=st.booleans())
def test_other_wrong_classes_are_never_the_right_one(
    classes: int, batch_size: int, seed: int, wrong: str, zero_pad_tail: bool
) -> None:
    """Text and image of the wrong pair are of one class, another one; an empty row stays empty."""
    made = Drawer(classes, batch_size, seed=seed, wrong_class=wrong, zero_pad_tail=zero_pad_tail)
    draws = made.draw(8)
    right, text, image = (
        table.div(width, rounding_mode="floor")
        for table, width in ((draws.texts, 2), (draws.wrong_texts, 2), (draws.wrong_images, 3))
    )
    assert torch.equal(text, image)
    assert torch.equal(text < 0, right < 0)
    assert ((text != right) | (right < 0)).all()


def test_random_wrong_classes_are_uniform_over_the_others() -> None:
    """Each of the other classes is as likely as the next; previous rows are never looked at."""
    draws = Drawer(5, 4, wrong_class="random", chunk=3000).draw(3000)
    right, wrong = (rows.flatten() // 2 for rows in (draws.texts, draws.wrong_texts))
    pairs = Counter(zip(right.tolist(), wrong.tolist(), strict=True))
    assert len(pairs) == 20
    assert all(500 < count < 700 for count in pairs.values())  # 600 expected, sd 24


def test_the_nearest_wrong_class_has_the_nearest_mean_text() -> None:
    """By the cosine of the classes' mean texts, whatever their lengths."""
    texts = torch.tensor([[1.0, 0.0], [3.0, 0.3], [0.0, 1.0], [0.0, 3.0], [50.0, 50.0]])
    tables = {
        "image": table_of(torch.zeros(4, 1), [1, 1, 1, 1]),
        "text": table_of(texts, [2, 1, 1, 1]),
    }
    made = ClassSampler(Split(("a", "b", "c", "d"), tables), 4, "nearest")
    draws = made.draw(1, made.start(), torch.Generator().manual_seed(1))
    nearest = dict(zip(draws.images[0].tolist(), draws.wrong_images[0].tolist(), strict=True))
    assert nearest == {0: 3, 1: 2, 2: 1, 3: 0}


@pytest.mark.parametrize(
    ("images", "texts", "batch_size", "message"),
    [
        ([3], [1], 4, "4 rows from 1 classes"),
        ([3, 3, 3], [1, 1, 1], 1, "1 rows from 3 classes"),
        ([3, 3, 3], [1, 1, 1], 4, "batch_size=4 is more than the 3 seen classes.*batch_size=3 or"),
        ([3, 0, 0], [1, 1, 1], 2, "2 of 3 training classes have no images"),
        ([3, 1, 1], [1, 0, 1], 2, "1 of 3 training classes have no texts"),
    ],
)
def test_what_has_no_wrong_pairs_is_refused(
    images: list[int], texts: list[int], batch_size: int, message: str
) -> None:
    """Too few classes or rows, and classes without an image or a text, are one sentence."""
    with pytest.raises(ConfigError, match=message):
        ClassSampler(rows_of(images, texts), batch_size)
