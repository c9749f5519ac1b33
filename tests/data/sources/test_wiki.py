"""WIKI's matrices and lists become paired vectors, split by class."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from zscr.data.check import check_collection
from zscr.data.collection import read_collection
from zscr.data.sources.wiki import convert_wiki
from zscr.errors import InputError

NAMES = [f"topic{i}" for i in range(1, 11)]


def write(folder, **changes):
    """Write 20 training and 10 test documents; the features of document i are i and -i."""
    classes = np.random.default_rng(0).permutation([*range(1, 11)] * 3)
    numbers = np.arange(1.0, 31.0)[:, None]
    arrays = {"I_tr": numbers[:20], "I_te": numbers[20:]}
    arrays |= {"T_tr": -numbers[:20], "T_te": -numbers[20:]}
    folder.mkdir()
    savemat(folder / "raw_features.mat", arrays | changes, do_compression=True)
    lines = [f"t{i}\tp{i}\t{c}\n" for i, c in enumerate(classes, 1)]
    (folder / "trainset_txt_img_cat.list").write_text("".join(lines[:20]))
    (folder / "testset_txt_img_cat.list").write_text("".join(lines[20:]))
    (folder / "categories.list").write_text("\n".join(NAMES) + "\n")
    return classes


def test_documents_keep_their_class_and_their_pair(tmp_path):
    """Sorting by class tears neither a text from its image nor either from its class."""
    classes = write(tmp_path / "s")
    convert_wiki(tmp_path / "s", tmp_path / "out")
    found = read_collection(tmp_path / "out")
    images, texts = found.vectors("image"), found.vectors("text")
    assert [
        f"{item.class_id}/t{i:.0f}" for item, i in zip(found.items, images[:, 0], strict=True)
    ] == [item.id for item in found.items]
    assert np.array_equal(images, -texts)
    for name in NAMES:
        rows = images[slice(*found.classes[name].text_rows), 0].astype(int)
        assert sorted(rows) == [i for i, c in enumerate(classes, 1) if NAMES[c - 1] == name]
    assert {split: len(names) for split, names in found.splits.items()} == {
        "seen": 3,
        "val": 2,
        "unseen": 5,
    }
    assert all(name in found.protocol for name in found.splits["unseen"])
    assert check_collection(tmp_path / "out").faults == ()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {"I_tr": np.ones((19, 1))},
            "lists 20 documents, but raw_features.mat holds 19 images and 20",
        ),
        ({"T_te": np.full((10, 1), np.nan)}, "T_te is no matrix of finite numbers"),
        ({"T_te": "words"}, "is not WIKI's matrices"),
    ],
)
def test_contradictions_are_one_sentence(tmp_path, changes, named):
    """Matrices that fit no list, or hold no numbers, make no collection."""
    write(tmp_path / "s", **changes)
    with pytest.raises(InputError, match=named):
        convert_wiki(tmp_path / "s", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damaged_files_are_refused(tmp_path):
    """A cut matrix file and a list with a line of something else."""
    write(tmp_path / "s")
    path = tmp_path / "s/raw_features.mat"
    whole = path.read_bytes()
    for cut in (0, 100, 140, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match="is not WIKI's matrices"):
            convert_wiki(tmp_path / "s", tmp_path / "out")
    path.write_bytes(whole)
    (tmp_path / "s/testset_txt_img_cat.list").write_text("t\tp\tart\n")
    with pytest.raises(InputError, match="is no text, image and category"):
        convert_wiki(tmp_path / "s", tmp_path / "out")


@pytest.mark.realdata
def test_published_set_is_whole(realdata_folder, tmp_path):
    """2,866 documents of 128 and 10 numbers, each a histogram; 3 seen, 2 val, 5 unseen classes."""
    convert_wiki(realdata_folder("wiki_rasiwasia"), tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert found.vectors("image").shape == (2866, 128)
    assert found.vectors("text").shape == (2866, 10)
    assert np.allclose(found.vectors("image").sum(1), 1, atol=1e-5)
    assert np.allclose(found.vectors("text").sum(1), 1, atol=1e-5)
    assert found.counts["art"] == 172
    assert found.counts["warfare"] == 451
    assert [len(found.splits[name]) for name in ("seen", "val", "unseen")] == [3, 2, 5]
