"""Images with captions and no classes: split, asked for by their own captions, faults counted."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from zscr.data.check import check_collection
from zscr.data.collection import read_collection
from zscr.data.registry import find_collection
from zscr.data.sources.captioned import convert_captions
from zscr.data.tasks import load_task, task_names
from zscr.errors import ConfigError, InputError


@pytest.fixture
def album(image_folder):
    """Return a function that makes a flat folder of `count` images with a captions.txt."""

    def make(count=10, lines=None, name="album"):
        folder = image_folder(1, count, name=f"{name}-images") / "class_0"
        folder = folder.rename(folder.parents[1] / name)
        lines = lines or [f"{n}.png,{word} {n}" for n in range(count) for word in ("one", "two")]
        (folder / "captions.txt").write_text("\n".join(["image,caption", *lines]) + "\n", "utf-8")
        return folder

    return make


def faults(path):
    """Return what errors.jsonl records, by source."""
    rows = map(json.loads, (path / "errors.jsonl").read_text("utf-8").splitlines())
    return {row["source"]: row["reason"] for row in rows}


def test_every_caption_asks_for_its_own_image(album, tmp_path):
    """Items without classes, in three splits; a task `text` of each by item, one group an image."""
    convert_captions(album(), tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert not found.classes
    assert [len(found.split(split)) for split in ("seen", "val", "unseen")] == [7, 1, 2]
    assert task_names(found) == ["text"]
    task = load_task(found, "text", "unseen")
    assert [query.text for query in task.queries] == [
        f"{word} {name.removesuffix('.png')}" for name in task.gallery for word in ("one", "two")
    ]
    assert task.groups == tuple(name for name in task.gallery for _ in range(2))
    grades = task.relevance.grades(slice(None), np.array([[0, 1]] * 4))
    assert grades.tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert check_collection(tmp_path / "out").faults == ()


def test_the_split_is_a_hash_of_seed_and_id(album, tmp_path):
    """Known for a seed, whatever the order of files; a damaged image moves no other one."""
    source = album()
    convert_captions(source, tmp_path / "sound")
    (source / "3.png").write_bytes(b"no image")
    convert_captions(source, tmp_path / "out")
    convert_captions(source, tmp_path / "other", seed=8, unseen_images=3, val_images=0.2)
    sound, out, other = (
        {item.id: item.split for item in read_collection(tmp_path / name).items}
        for name in ("sound", "out", "other")
    )
    held_out = {name: split for name, split in sound.items() if split != "seen"}
    expected = {"7.png": "unseen", "0.png": "unseen", "6.png": "val"}
    assert held_out == expected  # in the order of printf '7 0.png' | sha256sum
    assert out == {name: split for name, split in sound.items() if name != "3.png"}
    assert sorted(other.values()).count("unseen") == 3 != sorted(sound.values()).count("unseen")
    with pytest.raises(ConfigError, match="holding out 3 of 3 items leaves none"):
        convert_captions(source, tmp_path / "none", unseen_images=7, val_images=3)


def test_what_does_not_belong_together_is_counted(album, tmp_path, capsys):
    """Captions of no image, images of no caption; a caption of two images is told of."""
    lines = [f"{n}.png,number {n}" for n in range(5)]
    lines += ["gone.png,nobody", "gone.png,nobody else", "4.png,number 3", "4.png,number 3"]
    convert_captions(album(7, lines), tmp_path / "out")
    assert faults(tmp_path / "out") == {
        "captions.txt: gone.png": "captions an image that is not there",
        "5.png": "it has no caption",
        "6.png": "it has no caption",
    }
    assert len(read_collection(tmp_path / "out").items) == 5
    assert "1 captions stand at more than one image" in capsys.readouterr().err
    found = find_collection(str(tmp_path / "album"), base=tmp_path / "base")
    assert f"3 sources could not be used: see {found}/errors.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "has no captions.txt"),
        (b"", "captions none of the 4 images"),
        (b"image,caption\n", "captions none of the 4 images"),
        (b"0.png,only one\n", "captions of 1 of its images"),
        (b"0.png,fine\n1.png,caf\xe9\n", "not UTF-8: byte 0xe9 in line 2"),
        (b"0.png,fine\n1.png\n", "line 2: expected 'image,caption'"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_sentence(album, tmp_path, content, named):
    """Missing, empty, a header alone, too few, another encoding, half a line."""
    source = album(4)
    (source / "captions.txt").unlink()
    if content is not None:
        (source / "captions.txt").write_bytes(content)
    with pytest.raises(InputError, match=named):
        convert_captions(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_everything_may_be_judged_on(album, tmp_path):
    """Even a single image, which no split could be made of; a folder without any is refused."""
    source = album(2, ["0.png,alone"])
    convert_captions(source, tmp_path / "out", unseen_images=1.0)
    [item] = read_collection(tmp_path / "out").items
    assert (item.id, item.split, item.texts) == ("0.png", "unseen", ("alone",))
    for image in source.glob("*.png"):
        image.unlink()
    with pytest.raises(InputError, match="album holds no image"):
        convert_captions(source, tmp_path / "none", unseen_images=1.0)


def test_a_folder_is_found_by_what_lies_in_it(album, image_folder, tmp_path):
    """Images in one folder beside captions.txt have no classes; four folders of them do."""
    flat, packed = album(), album(name="packed")
    (packed / "photos").mkdir()
    for image in packed.glob("*.png"):
        image.rename(packed / "photos" / image.name)
    ids = []
    for source in (flat, packed):
        found = read_collection(find_collection(str(source), base=tmp_path / "base"))
        ids.append([item.id for item in found.items])
        assert not found.classes
    assert ids[0] == ids[1]
    classes = image_folder(4, 1)
    shutil.copy(flat / "captions.txt", classes / "captions.txt")
    (classes / "class_0/0.png").rename(classes / "class_0/7.png")
    assert read_collection(find_collection(str(classes), base=tmp_path / "base")).classes
    shutil.make_archive(str(tmp_path / "album.v2"), "zip", flat.parent, "album")
    convert_captions(tmp_path / "album.v2.zip", tmp_path / "out")
    unpacked = read_collection(tmp_path / "out")
    assert (unpacked.name, [item.id for item in unpacked.items]) == ("album.v2", ids[0])


@pytest.mark.realdata
def test_flickr8k(realdata_folder, tmp_path):
    """A thousand photos with five captions each; 200 are judged on."""
    realdata_folder("flickr8k_1k")  # or skip
    found = read_collection(find_collection("flickr8k_1k", base=tmp_path))
    assert [len(found.split(split)) for split in ("seen", "val", "unseen")] == [700, 100, 200]
    assert {len(item.texts) for item in found.items} == {5}
    assert len(load_task(found, "text", "unseen").queries) == 1000
