"""Published folders become collections; hostile or contradictory ones end in one sentence."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from zscr.data.check import check_collection
from zscr.data.collection import read_collection
from zscr.data.sources.zscrgan.convert import Budget, convert_zscrgan, read_in_child
from zscr.data.sources.zscrgan.published import convert_pickles
from zscr.errors import ArtefactError, CollectionError, ConfigError, InputError
from zscr.limited import child_environment

RNG = np.random.default_rng(0)
IDS = [5, 3, 8, 1, 9, 4, 2]  # five seen ones in an order of their own, two unseen
IMAGES = {i: [RNG.random(6).astype("f4") for _ in range(2 + i % 3)] for i in IDS}
TEXTS = {i: RNG.random((1 + i % 2, 4)) for i in IDS}


def write(folder: Path, **changes: object) -> Path:
    """Write a published folder at Python 2's protocol and module names."""
    parts = {"image_embed_dict": IMAGES, "txt_embed_dict": TEXTS}
    parts |= {"trainids": IDS[:5], "testids": IDS[5:]} | changes
    folder.mkdir()
    for name, value in parts.items():
        raw = value if isinstance(value, bytes) else pickle.dumps(value, 2)
        (folder / f"{name}.pkl").write_bytes(raw.replace(b"numpy._core", b"numpy.core"))
    return folder


@pytest.mark.parametrize("as_zip", [False, True])
def test_published_folder_becomes_a_collection(tmp_path, as_zip):
    """Order, splits, rows and provenance are what the four pickles say, from a folder or a ZIP."""
    source = write(tmp_path / "CUB")
    if as_zip:
        with zipfile.ZipFile(tmp_path / "CUB.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for path in source.iterdir():
                file.write(path, f"CUB/{path.name}")
        source = tmp_path / "CUB.zip"
    convert_zscrgan(source, tmp_path / "out", seed=1)
    found = read_collection(tmp_path / "out")
    assert found.name == "CUB"
    assert len(found.splits["val"]) == 2
    assert found.splits["seen"] == tuple(str(i) for i in IDS[:5] if str(i) in found.splits["seen"])
    assert {*found.splits["seen"], *found.splits["val"]} == {"5", "3", "8", "1", "9"}
    assert found.splits["unseen"] == ("4", "2")
    images, texts = found.vectors("image"), found.vectors("text")
    assert images.dtype == texts.dtype == np.float32
    assert np.array_equal(images, np.concatenate([IMAGES[i] for i in IDS]))
    assert [item.class_id for item in found.items] == [str(i) for i in IDS for _ in IMAGES[i]]
    for i in IDS:
        rows = slice(*found.classes[str(i)].text_rows)
        assert np.array_equal(texts[rows], TEXTS[i].astype("f4"))
    assert check_collection(tmp_path / "out").faults == ()


def test_same_seed_holds_out_the_same_classes(tmp_path):
    """The validation classes depend on the seed and on nothing else."""
    source = write(tmp_path / "s")
    splits = []
    for run, seed in enumerate((3, 3, 4, 5, 6, 7)):
        convert_zscrgan(source, tmp_path / f"out{run}", seed=seed, val_classes=1)
        splits.append(read_collection(tmp_path / f"out{run}").splits["val"])
    assert splits[0] == splits[1]
    assert len(set(splits)) > 1


def test_unlisted_classes_are_counted(tmp_path):
    """A class in neither list is left out, and the provenance says how many."""
    source = write(tmp_path / "s", trainids=[5, 3, 8, 1], txt_embed_dict={**TEXTS, 77: TEXTS[1]})
    convert_zscrgan(source, tmp_path / "out")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["provenance"]["classes_in_no_list"] == {"image": 1, "text": 2}


@pytest.mark.parametrize(
    ("changes", "error", "named"),
    [
        ({"testids": [5, 4]}, CollectionError, "unseen"),
        ({"testids": [4, "x"]}, InputError, "'x'"),
        ({"testids": (1.5,)}, InputError, "testids.pkl is not a list"),
        ({"trainids": IDS[:2]}, ConfigError, "leaves none"),
        ({"image_embed_dict": [1]}, InputError, "is not a dict"),
        ({"image_embed_dict": IMAGES | {3: []}}, InputError, "class 3"),
        ({"image_embed_dict": IMAGES | {3: [1.0, 2.0]}}, InputError, "class 3"),
        ({"image_embed_dict": IMAGES | {3: [[1.0] * 5]}}, InputError, "6 numbers"),
        ({"image_embed_dict": IMAGES | {3: [["a"] * 6]}}, InputError, "no number"),
        ({"image_embed_dict": IMAGES | {3: [[np.nan] * 6]}}, InputError, "NaN"),
        ({"image_embed_dict": IMAGES | {3: [[1e300] * 6]}}, InputError, "float32"),
        ({"txt_embed_dict": b"cposix\nsystem\n(S'true'\ntR."}, InputError, "posix.system"),
    ],
)
def test_contradictions_are_one_sentence(tmp_path, changes, error, named):
    """What contradicts the published form is named, and no collection appears."""
    source = write(tmp_path / "s", **changes)
    with pytest.raises(error) as refused:
        convert_zscrgan(source, tmp_path / "out")
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s"]


def test_missing_pickle_is_named(tmp_path):
    """An incomplete folder is refused before anything is read."""
    source = write(tmp_path / "s")
    (source / "testids.pkl").unlink()
    with pytest.raises(InputError, match=r"lacks testids\.pkl"):
        convert_zscrgan(source, tmp_path / "out")


def test_shared_vectors_are_not_expanded(tmp_path):
    """5,000 references to one list of 20,000 numbers would be 400 MB from a 200 kB file."""
    vector = [0.5] * 20_000
    images = {i: [vector] * 700 for i in IDS}
    source = write(tmp_path / "s", image_embed_dict=images)
    with pytest.raises(InputError, match="more than the file holds"):
        convert_pickles(source, tmp_path)


def test_reader_over_its_memory_is_ended(tmp_path):
    """The child dies of its own limit, and the parent says which."""
    source = write(tmp_path / "s", image_embed_dict=b"]" * 4_000_000)
    with pytest.raises(InputError, match=r"was ended \(MemoryError\).*317 MB"):
        read_in_child(source, tmp_path, Budget(memory=256 << 20))


def test_killed_reader_is_reported(tmp_path):
    """5 million opcodes take longer than the least limit; the sentence names the signal."""
    source = write(tmp_path / "s", image_embed_dict=b"N" * 5_000_000)
    with pytest.raises(InputError, match="killed by SIG(KILL|XCPU)"):
        read_in_child(source, tmp_path, Budget(seconds=0, bytes_per_second=10**9))


def test_colliding_keys_are_ended(tmp_path):
    """Multiples of 2**61 - 1 have one hash: a dict of n of them takes n * n comparisons."""
    keys = b"".join(
        b"\x8a\x0a" + ((2**61 - 1) * n).to_bytes(10, "little") + b"N" for n in range(60_000)
    )
    source = write(tmp_path / "s", image_embed_dict=b"}(" + keys + b"u.")
    with pytest.raises(InputError, match="killed by SIG(KILL|XCPU)|did not end"):
        read_in_child(source, tmp_path, Budget(seconds=1, bytes_per_second=10**9))


def test_child_inherits_no_secret():
    """The reader's environment holds a few paths and nothing that a shell may have put there."""
    given = {"AWS_SECRET_ACCESS_KEY": "x", "PATH": "/bin", "HOME": "/home/me"}
    found = child_environment(given)
    assert (found["PATH"], found["HOME"]) == ("/bin", "/home/me")  # or it asks who it is
    assert "AWS_SECRET_ACCESS_KEY" not in found


def test_full_disk_leaves_nothing(small_disk, tmp_path):
    """A disk that fills up while vectors are copied gives one sentence and no collection."""
    big = {i: RNG.random((60, 3000)) for i in IDS}
    source = write(tmp_path / "s", image_embed_dict=big)
    with pytest.raises(ArtefactError, match="disk is full"):
        convert_zscrgan(source, small_disk / "out")
    assert os.listdir(small_disk) == []
