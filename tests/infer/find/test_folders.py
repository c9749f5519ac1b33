"""The index of a folder follows it: whatever changes, moves or is killed, nothing is mixed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zscr.infer.index.index import Index

ZSCR = [sys.executable, "-m", "zscr.cli", "find", "--threads", "1"]


def indexes(home):
    """Return the folders of all indexes in a home."""
    return sorted(path.parent for path in home.glob("indexes/*/*/manifest.json"))


def embedded(result):
    """Return how many images a command says that it will embed."""
    told = [line for line in result.stderr.splitlines() if "indexing" in line]
    return sum(int(word) for line in told for word in line.split() if word.isdigit())


def test_what_changed_is_seen_at_once(find, ids, images):
    """New, exchanged, renamed and deleted files; only what is new is embedded."""
    paths = images(4, "photos")
    assert embedded(find("owl", "photos")) == 4
    assert embedded(find("owl", "photos")) == 0
    shutil.copy(images(1, "more", seed=8)[0], "photos/new.png")
    paths[0].write_bytes(images(1, "other", seed=9)[0].read_bytes())
    paths[1].rename("photos/renamed.png")
    paths[2].unlink()
    result = find("owl", "photos")
    assert embedded(result) == 2
    assert "1 images are gone and will be removed, 1 have moved" in result.stderr
    names = ("new.png", "00.png", "renamed.png", "03.png")
    assert set(ids("owl", "photos")) == {f"photos/{name}" for name in names}


def test_a_change_that_keeps_size_and_mtime_is_seen(find, home, tmp_path):
    """`cp -p` and `touch -r` set the mtime back: the ctime tells, written in place or exchanged."""
    paths = [tmp_path / "photos" / f"{name}.bmp" for name in ("in place", "exchanged")]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        Image.new("RGB", (9, 9), (number, 99, 7)).save(path)
    time.sleep(2.1)  # so that what is read now is remembered
    find("owl", "photos")
    [remembered] = home.glob("indexes/*/*.hashes.json")
    assert len(json.loads(remembered.read_text())["files"]) == 2
    assert "hashing" not in find("owl", "photos").stderr
    for path in paths:
        before, content = path.stat(), path.read_bytes()
        if path.stem == "exchanged":
            path.unlink()
        path.write_bytes(content[:-1] + b"x")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (
            before.st_size,
            before.st_mtime_ns,
        )
    assert "2 replaced" in find("owl", "photos").stderr


def test_a_file_that_was_just_written_is_read_again(find, home, images):
    """Within a step of its disk's clock it could be written again and look the same."""
    images(2, "photos")
    find("owl", "photos")
    assert not [*home.glob("indexes/*/*.hashes.json")]
    assert "hashing: 2/2" in find("owl", "photos").stderr


@pytest.mark.parametrize("how", ["renamed", "to another disk", "its parent"])
def test_a_folder_that_moved_has_its_index(find, ids, home, images, how):
    """Found again by its images' contents: nothing is embedded, ids stay, there is one index."""
    Path("disk").mkdir()
    images(4, "disk/photos")
    before = ids("owl", "disk/photos")
    target = {"renamed": "disk/pictures", "to another disk": "deep/er", "its parent": "d/photos"}
    moved = Path(target[how])
    moved.parent.mkdir(exist_ok=True)
    if how == "to another disk":
        shutil.copytree("disk/photos", moved)
        shutil.rmtree("disk/photos")
    else:
        Path("disk/photos").rename(moved)
    result = find("owl", moved)
    assert embedded(result) == 0
    assert f"{moved} is the folder that was {Path('disk/photos').absolute()}" in result.stderr
    assert ids("owl", moved) == before
    assert len(indexes(home)) == 1
    assert all(Path(hit["image"]).is_file() for hit in json.loads(result.stdout)["hits"])


def test_a_folder_like_another_one_has_its_own(find, home, images):
    """A copy of a folder that is still there, and half of one that is gone: nothing is taken."""
    images(4, "photos")
    find("owl", "photos")
    shutil.copytree("photos", "copy")
    result = find("owl", "copy")
    assert (embedded(result), "taken over" in result.stderr) == (0, False)
    assert len(indexes(home)) == 2
    [index] = [index for index in map(Index.open, indexes(home)) if index.roots[0].name == "copy"]
    assert index.count == 4
    shutil.rmtree("photos")
    Path("few").mkdir()
    shutil.copy("copy/00.png", "few")
    assert "taken over" not in find("owl", "few").stderr


def test_a_folder_in_an_indexed_one_is_a_part_of_its_index(find, ids, home, images):
    """Only what lies in it is found, k of it, and nothing is embedded; a hidden one has its own."""
    images(6, "photos")
    images(4, "photos/trip", seed=8)
    images(1, "photos/.hidden", seed=9)
    everything = ids("owl", "photos", "-k", 20)
    result = find("owl", "photos/trip", "-k", 3)
    expected = [name for name in everything if name.startswith("photos/trip/")][:3]
    assert [hit["id"] for hit in json.loads(result.stdout)["hits"]] == expected
    assert (embedded(result), len(indexes(home))) == (0, 1)
    images(1, "photos/trip/new", seed=10)
    assert "photos/trip/new/00.png" in ids("owl", "photos/trip")
    assert len(ids("owl", "photos", "-k", 20)) == 11
    assert ids("owl", "photos/.hidden") == [".hidden/00.png"]
    assert len(indexes(home)) == 2
    assert len(ids("owl", "photos", "-k", 20)) == 11


def test_a_folder_that_the_one_above_leaves_out_has_its_own_index(find, ids, home, images):
    """Named itself it is searched, as a hidden one; the folder above still leaves it out."""
    images(2, "photos"), images(3, "photos/private", seed=8)
    Path("photos/.zscrignore").write_text("private/")
    assert len(ids("owl", "photos")) == 2
    for count in (3, 0):  # and is indexed once
        result = find("owl", "photos/private")
        assert (result.exit_code, embedded(result)) == (0, count)
    assert (len(indexes(home)), len(ids("owl", "photos"))) == (2, 2)
    Path("photos/private/.zscrignore").write_text("*")
    assert (
        "there are no images in photos/private, but 3 excl" in find("owl", "photos/private").stderr
    )


def test_a_part_keeps_what_is_known_of_the_rest(find, home, images):
    """A search in a sub-folder forgets no file of the folder, and learns of its own."""
    images(3, "photos"), images(2, "photos/trip", seed=8)
    time.sleep(2.1)
    find("owl", "photos")
    Path("photos/trip/00.png").unlink()
    find("owl", "photos/trip")
    assert "hashing" not in find("owl", "photos").stderr
    [remembered] = home.glob("indexes/*/*.hashes.json")
    names = {"00.png", "01.png", "02.png", "trip/01.png"}
    assert set(json.loads(remembered.read_text())["files"]) == names


def test_a_folder_of_indexed_ones_takes_their_embeddings_over(find, ids, home, images):
    """What indexes of the same space hold is not embedded again, and they stay."""
    Path("all").mkdir()
    images(4, "all/a"), images(3, "all/b", seed=8)
    find("owl", "all/a"), find("owl", "all/b")
    images(1, "all", seed=9)
    assert embedded(find("owl", "all")) == 1
    assert len(ids("owl", "all")) == 8
    assert len(indexes(home)) == 3
    whole, part = (next(i for i in map(Index.open, indexes(home)) if i.count == n) for n in (8, 4))
    rows = whole.embedded([f"all/{entry.id}" for entry in part.entries])[0]
    np.testing.assert_array_equal(rows, part.vectors)


def test_another_model_has_another_index(find, ids, home, images, make_bundle):
    """It is told before anything is embedded, nothing is mixed, and the first one's index stays."""
    images(3, "photos")
    before = ids("owl", "photos", "--model", "birds")
    make_bundle(home / "models" / "more", gallery=5)
    told = find("owl", "photos", "--model", "more")
    assert "photos was indexed with birds; indexing it for more: 3 images" in told.stderr
    spaces = {index.space for index in map(Index.open, indexes(home))}
    assert len(spaces) == len(indexes(home)) == 2
    again = find("owl", "photos", "--model", "birds")
    assert embedded(again) == 0
    assert [hit["id"] for hit in json.loads(again.stdout)["hits"]] == before
    shutil.rmtree(home / "models" / "more")
    make_bundle(home / "models" / "more", gallery=6)
    replaced = find("owl", "photos", "--model", "more")
    assert "another more" in replaced.stderr
    assert "; indexing it for more: 3 images" in replaced.stderr


def test_a_model_that_was_exchanged_is_told_by_its_own_name(find, home, images, make_bundle):
    """Also in a folder whose parent was indexed; a damaged index of the old one costs nothing."""
    images(3, "photos"), images(2, "photos/trip", seed=8)
    find("owl", "photos")
    [old] = indexes(home)
    shutil.rmtree(home / "models" / "birds")
    make_bundle(home / "models" / "birds", gallery=5)
    told = find("owl", "photos/trip")
    assert "trip was indexed with another birds; indexing it for birds: 2 images" in told.stderr
    images(1, "photos/new", seed=9)
    assert "photos/new: indexing 1 new images with birds" in find("owl", "photos/new").stderr
    (old / "manifest.json").write_text("{")
    told = find("owl", "photos")
    assert told.exit_code == 0
    assert f"{old / 'manifest.json'} is damaged" in told.stderr


def test_a_folder_of_unusable_images_is_refused_also_in_an_indexed_one(find, images):
    """As one that has none, and not answered by nothing."""
    images(2, "photos")
    Path("photos/bad").mkdir()
    Path("photos/bad/broken.jpg").write_text("no image")
    find("owl", "photos")
    for _ in range(2):
        refused = find("owl", "photos/bad")
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "none of the images in photos/bad can be used; name another" in refused.stderr
    paths = images(2, "spoilt")
    find("owl", "spoilt")
    for path in paths:
        path.write_text("no image")
        refused = find("owl", "spoilt")
    assert "none of the images in spoilt can be used any more, and its index" in refused.stderr
    paths[0].rename("spoilt/renamed.png"), paths[1].unlink()
    assert "none of the images in spoilt can be used any more" in find("owl", "spoilt").stderr


def test_a_folder_whose_images_are_gone_keeps_its_index(find, home, images):
    """As if its disk was not mounted; when it is there again, nothing is embedded."""
    paths = images(2, "photos")
    find("owl", "photos")
    Path("away").mkdir()
    for path in paths:
        path.rename(f"away/{path.name}")
    refused = find("owl", "photos")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "there are no images in photos; the index of its 2 images is kept" in refused.stderr
    for path in paths:
        Path(f"away/{path.name}").rename(path)
    assert embedded(find("owl", "photos")) == 0


def test_a_killed_indexing_goes_on(find, ids, home, images, killer, tmp_path):
    """Killed at any call to the disk: the next one has all images, and no half is left."""
    images(3, "photos")
    total = killer(["find", "owl", "photos", "--threads", "1"], tmp_path)
    assert total["status"] == 0, total
    calls = len(total["calls"])
    for at in range(2, calls + 1, 5):
        shutil.rmtree(home / "indexes")
        killed = killer(["find", "owl", "photos", "--threads", "1"], tmp_path, at=at)
        assert killed["status"] == -signal.SIGKILL
        assert len(ids("owl", "photos")) == 3
        [index] = indexes(home)
        assert {path.name for path in index.parent.iterdir()} <= {
            index.name,
            f"{index.name}.hashes.json",
        }


def test_two_at_once_both_answer(home, images):
    """The later one waits for the first, which is indexing, and embeds nothing."""
    images(9, "photos")
    both = [
        subprocess.Popen([*ZSCR, "owl", "photos"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    found = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], found
    assert [len(json.loads(out)["hits"]) for out, _ in found] == [9, 9]
    assert len(indexes(home)) == 1


def test_a_damaged_index_is_told_with_what_to_do(find, home, images):
    """And what is told to do mends it."""
    images(2, "photos")
    find("owl", "photos")
    [index] = indexes(home)
    for damaged in index.glob("segment*"):
        damaged.write_bytes(b"damaged")
    refused = find("owl", "photos")
    assert (refused.exit_code, refused.stdout) == (1, "")
    [line] = refused.stderr.splitlines()
    assert f"remove {index} and run the same command again" in line
    shutil.rmtree(index)
    assert find("owl", "photos").exit_code == 0


def test_a_damaged_list_of_hashes_costs_reading_alone(find, home, images):
    """It is told, and no embedding is lost."""
    images(2, "photos")
    time.sleep(2.1)
    find("owl", "photos")
    [remembered] = home.glob("indexes/*/*.hashes.json")
    before = remembered.read_text()
    remembered.write_text(before[:20])
    result = find("owl", "photos")
    assert "is damaged" in result.stderr
    assert (result.exit_code, embedded(result)) == (0, 0)
    assert remembered.read_text() == before


def test_a_home_that_cannot_be_written_is_one_sentence(find, home, images, small_disk, monkeypatch):
    """What is indexed is still found; what is new cannot be."""
    images(2, "photos")
    shutil.copytree(home, small_disk / "home")
    monkeypatch.setenv("ZSCR_HOME", str(small_disk / "home"))
    find("owl", "photos")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert len(json.loads(find("owl", "photos").stdout)["hits"]) == 2
    Image.new("RGB", (9, 9)).save("photos/new.png")
    refused = find("owl", "photos")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "Traceback" not in refused.stderr
    assert "cannot be written" in refused.stderr.splitlines()[-1]
