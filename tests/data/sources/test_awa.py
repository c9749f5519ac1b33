"""A folder in AWA2's own format; AWA2 itself (13 GB) is not among the test data."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from zscr.data.check import check_collection
from zscr.data.collection import read_collection
from zscr.data.sources.awa import convert_awa
from zscr.errors import InputError

NAMES = ["antelope", "grizzly+bear", "killer+whale", "beaver", "otter", "mouse"]
TRAIN, TEST = ["otter", "antelope", "killer+whale", "mouse"], ["beaver", "grizzly+bear"]
MATRIX = np.array([[3, 4], [0, 2], [8, 6], [-1, 0], [5, 12], [1, 0]])


@pytest.fixture
def animals(tmp_path):
    """Write six animals with two images and two attributes each."""
    folder = tmp_path / "AWA2"
    for name in NAMES:
        (folder / "JPEGImages" / name).mkdir(parents=True)
        for number in range(2):
            image = folder / f"JPEGImages/{name}/{name}_{number}.jpg"
            Image.new("RGB", (4, 4)).save(image)
    rows = [f"{number:8}\t{name}" for number, name in enumerate(NAMES, 1)]
    (folder / "classes.txt").write_text("\n".join(rows) + "\n")
    np.savetxt(folder / "predicate-matrix-continuous.txt", MATRIX, "%8.2f")
    (folder / "trainclasses.txt").write_text("\n".join(TRAIN) + "\n")
    (folder / "testclasses.txt").write_text("\n".join(TEST) + "\n")
    return folder


def test_attributes_go_with_their_class(animals, tmp_path):
    """Rows follow the lists' order, not that of classes.txt, and have length 1."""
    (animals / "JPEGImages/beaver/beaver_1.jpg").write_bytes(b"no image")
    convert_awa(animals, tmp_path / "out", val=1)
    found = read_collection(tmp_path / "out")
    assert found.name == "AWA2"
    assert {*found.splits["seen"], *found.splits["val"]} == {*TRAIN}
    assert (len(found.splits["seen"]), len(found.splits["val"])) == (3, 1)
    assert found.splits["unseen"] == tuple(TEST)
    texts = found.vectors("text")
    vector = {name: texts[info.text_rows[0]].tolist() for name, info in found.classes.items()}
    assert vector["antelope"] == pytest.approx([0.6, 0.8])
    assert vector["killer+whale"] == pytest.approx([0.8, 0.6])
    assert vector["grizzly+bear"] == pytest.approx([0, 1])
    assert vector["beaver"] == pytest.approx([-1, 0])
    assert found.manifest.body["provenance"]["negative_attributes"] == 1
    assert found.classes["grizzly+bear"].name == "grizzly bear"
    assert found.counts == {**dict.fromkeys(NAMES, 2), "beaver": 1}
    assert "beaver/beaver_1.jpg" in (tmp_path / "out/errors.jsonl").read_text()
    assert check_collection(tmp_path / "out").faults == ()


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("predicate-matrix-continuous.txt", "1 2\n", "1 rows for the 6 classes"),
        ("predicate-matrix-continuous.txt", "a b\n", "not a matrix of numbers"),
        ("predicate-matrix-continuous.txt", "0 0\n" + "1 2\n" * 5, "that of 'antelope'"),
        ("testclasses.txt", "unicorn\n", "names unicorn"),
        ("testclasses.txt", "\n", "names no class"),
        ("classes.txt", "1 ../out\n" * 6, "names otter|names ../out"),
    ],
)
def test_contradictions_are_one_sentence(animals, tmp_path, file, content, named):
    """Each file that does not fit the others is named."""
    (animals / file).write_text(content)
    with pytest.raises(InputError, match=named):
        convert_awa(animals, tmp_path / "out", val=1)
    assert not (tmp_path / "out").exists()


def test_test_class_is_never_trained_on(animals, tmp_path):
    """A class in both lists would make every zero-shot figure worthless."""
    (animals / "testclasses.txt").write_text("otter\n")
    with pytest.raises(InputError, match="otter is twice in trainclasses"):
        convert_awa(animals, tmp_path / "out", val=1)
