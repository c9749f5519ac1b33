"""Deep structured joint embedding: its loss, its batches, and what training leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.errors import CollectionError, InputError
from zscr.infer.features.table import Split, Table, starts_of
from zscr.infer.inputs.characters import CharacterInput
from zscr.train.encoders.char_cnn_rnn import CharCnnRnnConfig, new_network
from zscr.train.encoders.joint_embedding import (
    Training,
    joint_embedding_loss,
    load_pairs,
    retrieval_map,
    train_jointly,
)
from zscr.train.tables import TensorSplit, draw_pairs

CONFIG = CharCnnRnnConfig((8, 8, 8), length=66, init=0.3)
CHARACTERS = CharacterInput(CONFIG.spec, Path())


def test_loss_of_three_classes_by_hand() -> None:
    """Scores [[2, 0, 1], [0, 0, 0], [0, 3, 1]]: 5 by image and 6 by text, over 9."""
    images = torch.eye(3)
    texts = torch.tensor([[2.0, 0, 0], [0, 0, 3], [1, 0, 1]])
    total = 0.0
    scores = (images @ texts.T).tolist()
    for i in range(3):
        for j in range(3):
            if i != j:
                total += max(0, 1 + scores[i][j] - scores[i][i])  # image i, wrong text j
                total += max(0, 1 + scores[j][i] - scores[i][i])  # text i, wrong image j
    found = joint_embedding_loss(images, texts).item()
    assert found == pytest.approx(total / 9)
    assert found == pytest.approx(11 / 9)


def pairs(images: torch.Tensor, texts: torch.Tensor, *counts: list[int]) -> TensorSplit:
    """Group rows of images and texts by their counts a class."""
    tables = {}
    for name, rows, count in zip(("image", "text"), (images, texts), counts, strict=True):
        ids = tuple(map(str, range(len(rows))))
        tables[name] = Table(ids, rows, torch.from_numpy(starts_of(count)))
    return Split(tuple(map(str, range(len(counts[0])))), tables)


def numbered(images_a_class: list[int], texts_a_class: list[int]) -> TensorSplit:
    """Make pairs whose only column is the class."""
    counts = images_a_class, texts_a_class
    rows = [torch.arange(len(c)).repeat_interleave(torch.tensor(c))[:, None] for c in counts]
    return pairs(rows[0].float(), rows[1], *counts)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=2), st.integers(2, 9))
def test_batches_pair_images_and_texts_of_different_classes(
    counts: list[tuple[int, int]], size: int
) -> None:
    """Row i of both sides is of one class, and no class comes twice."""
    split = numbered([images for images, _ in counts], [texts for _, texts in counts])
    images, texts = draw_pairs(split, size, torch.Generator().manual_seed(size))
    assert torch.equal(images.long(), texts)
    assert len(texts) == len(texts.unique()) == min(size, len(counts))


def test_every_row_is_drawn() -> None:
    """All images and texts of a class take their turn, the first and the last included."""
    split = pairs(torch.arange(4.0)[:, None], torch.arange(4), [3, 1], [1, 3])
    generator = torch.Generator().manual_seed(1)
    drawn = [draw_pairs(split, 2, generator) for _ in range(50)]
    for side in (0, 1):
        assert set(torch.cat([batch[side].flatten() for batch in drawn]).tolist()) == {0, 1, 2, 3}


def ids(*texts: str) -> torch.Tensor:
    return torch.from_numpy(CHARACTERS.prepare(texts).feeds["characters"])


def test_one_batch_is_learnt_by_heart() -> None:
    """Three texts and their images: the loss falls to zero, so the margins are all kept."""
    images, texts = torch.eye(3, 5), ids("a red bird", "a blue bird", "a fish")
    network = new_network(CONFIG, dim=5)
    optimizer = torch.optim.RMSprop(network.parameters(), 5e-3)
    losses = []
    for _ in range(150):
        losses.append(joint_embedding_loss(images, network(texts)))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[0] > 1
    assert losses[-1] == 0


def test_the_best_epoch_is_kept() -> None:
    """Trained to the opposite of what validation wants, the first epoch's weights come back."""
    one_each = [1, 1], [1, 1]
    texts = ids("a red bird", "a blue fish")
    network = nn.Sequential(nn.Embedding(71, 2), nn.Flatten(), nn.Linear(132, 2))
    seen = pairs(torch.eye(2), texts, *one_each)
    val = pairs(torch.eye(2).flip(0), texts, *one_each)
    train_jointly(network, val, val, Training(epochs=9, lr=0.01))
    assert retrieval_map(network, val) == 1
    best = train_jointly(network, seen, val, Training(epochs=30, lr=1e-3))
    assert best.epoch < 30
    assert retrieval_map(network, val) == best.mAP > retrieval_map(network, seen)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes two classes a split, of image vectors and written texts."""

    def collection(vectors: np.ndarray, text: str = "a bird of kind {}", lacking: str = "") -> Path:
        with new_collection(tmp_path / "c", name="c", protocol="test", provenance={}) as draft:
            draft.save_vectors("image", vectors)
            for number in range(6):
                split, name = ("seen", "val", "unseen")[number // 2], f"c{number}"
                texts = () if name == lacking else (text.format(number),)
                draft.add_class(ClassInfo(name, name, texts), split)
                draft.add_item(Item(name, split, name))
        return tmp_path / "c"

    return collection


def test_images_are_centred_on_the_seen_classes(make: Callable[..., Path]) -> None:
    """Published image vectors will do; each row is its difference to the seen mean, unit long."""
    vectors = np.random.default_rng(1).random((6, 3))
    seen, val = load_pairs(read_collection(make(vectors)), None, CHARACTERS)
    for split, rows in ((seen, vectors[:2]), (val, vectors[2:4])):
        expected = rows - vectors[:2].mean(0)
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(split["image"].rows, expected, atol=1e-5)
    assert torch.equal(val["text"].rows, ids("a bird of kind 2", "a bird of kind 3"))
    assert seen["text"].starts.tolist() == [0, 1, 2]


def test_cut_texts_are_counted(
    make: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A split says how many of its texts are longer than what is read."""
    vectors = np.random.default_rng(1).random((6, 3))
    load_pairs(read_collection(make(vectors, "bird " * 14 + "{}")), None, CHARACTERS)
    assert "2 of 2 texts of split 'val' are cut to 66 characters" in capsys.readouterr().err


def test_splits_that_teach_nothing_are_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    """Constant or broken features, a class without texts: one sentence each, with the numbers."""
    different = np.random.default_rng(1).random((6, 3))
    broken = np.where(np.arange(6)[:, None] == 1, np.nan, different)
    cases = [
        (make, (np.ones((6, 3)),), InputError, "all 2 image features of the seen classes"),
        (make, (broken,), InputError, "1 of 2 image features of split 'seen' are not finite"),
        (make, (different, "{}", "c1"), CollectionError, "1 of 2 seen classes .* have no text"),
        (make, (different, "鳥"), InputError, "no character of the text '鳥' is known"),
    ]
    for number, (make_one, arguments, error, message) in enumerate(cases):
        folder = make_one(*arguments).rename(tmp_path / str(number))
        with pytest.raises(error, match=message):
            load_pairs(read_collection(folder), None, CHARACTERS)
