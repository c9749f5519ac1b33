"""Pictures into an index: ids that stay, bad ones listed, and a kill that costs little."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zscr.data.artefact import hash_file, read_manifest, write_manifest
from zscr.errors import InputError, MismatchError
from zscr.infer.bundle import Bundle
from zscr.infer.gallery import add_pictures
from zscr.infer.index import Index
from zscr.infer.session import Runtime


@pytest.fixture(scope="module")
def bundle(deployed):
    return Bundle.open(deployed.bundle, Runtime(threads=1))


def counts(added):
    report = added.report
    return report.added, report.replaced, report.unchanged, len(added.skipped)


def test_ids_are_paths_below_the_named_folder(bundle, tmp_path, pictures, monkeypatch):
    """However the folder is named, and from wherever; a file's id is its name."""
    pictures(3, "birds")
    (tmp_path / "birds/deep").mkdir()
    (tmp_path / "birds/01.png").rename(tmp_path / "birds/deep/one.png")
    (tmp_path / "birds/note.txt").write_text("no picture")
    ids = ["birds/00.png", "birds/02.png", "birds/deep/one.png"]
    folder = tmp_path / "index"
    first = add_pictures(bundle, folder, [tmp_path / "birds"])
    assert [entry.id for entry in first.index.entries] == ids
    monkeypatch.chdir(tmp_path / "birds/deep")
    for named in ("..", "../../birds", "../deep/.."):
        assert counts(add_pictures(bundle, folder, [Path(named)])) == (0, 0, 3, 0)
    lone = add_pictures(bundle, folder, [tmp_path / "birds/02.png"])
    assert [entry.id for entry in lone.index.entries] == [*ids, "02.png"]


def test_vectors_are_the_pictures_own(bundle, tmp_path, pictures):
    """Each row is what the gallery side makes of its picture, and the picture is named."""
    paths = pictures(5)
    index = add_pictures(bundle, tmp_path / "index", [tmp_path / "pictures"]).index
    alone = np.concatenate([bundle.gallery.encode([path]) for path in paths])
    np.testing.assert_allclose(index.vectors, alone, atol=1e-6)
    assert [entry.image for entry in index.entries] == list(map(str, paths))
    assert index.bundle_sha256 == bundle.sha256


def test_only_what_is_new_is_embedded(bundle, tmp_path, pictures, encoded):
    """New pictures come, changed ones replace their old selves, the rest costs nothing."""
    paths, folder = pictures(6), tmp_path / "index"
    for path in paths[4:]:
        path.rename(tmp_path / path.name)
    before = add_pictures(bundle, folder, [tmp_path / "pictures"]).index
    for path in paths[4:]:
        (tmp_path / path.name).rename(path)
    Image.new("RGB", (30, 30), "red").save(paths[1])
    encoded.clear()
    added = add_pictures(bundle, folder, [tmp_path / "pictures"])
    assert (counts(added), sum(encoded)) == ((2, 1, 3, 0), 3)
    assert [entry.id for entry in added.index.entries] == [f"pictures/0{n}.png" for n in range(6)]
    np.testing.assert_array_equal(added.index.vectors[[0, 2, 3]], before.vectors[[0, 2, 3]])
    np.testing.assert_allclose(
        added.index.vectors[1:2], bundle.gallery.encode(paths[1:2]), atol=1e-6
    )


def test_bad_pictures_are_listed_until_mended(bundle, tmp_path, pictures):
    """One that is damaged and one that cannot be read do not keep the others out."""
    paths, folder = pictures(5), tmp_path / "index"
    whole = paths[2].read_bytes()
    paths[2].write_bytes(whole[:100])
    paths[4].unlink()
    paths[4].symlink_to("/proc/self/mem")  # reading it is an input/output error
    added = add_pictures(bundle, folder, [tmp_path / "pictures"])
    assert counts(added) == (3, 0, 0, 2)
    reasons = {row["image"]: row["reason"] for row in Index.open(folder).errors}
    assert set(reasons) == {str(paths[2]), str(paths[4])}
    assert "truncated" in reasons[str(paths[2])]
    assert "Input/output error" in reasons[str(paths[4])]
    paths[2].write_bytes(whole)
    assert counts(add_pictures(bundle, folder, [tmp_path / "pictures"])) == (1, 0, 3, 1)
    assert [row["image"] for row in Index.open(folder).errors] == [str(paths[4])]


def test_nothing_usable_is_one_sentence(bundle, tmp_path, pictures):
    """With the reason or the missing name; no index is left behind."""
    pictures(2)[0].write_text("text")
    (tmp_path / "pictures/01.png").unlink()
    (tmp_path / "empty").mkdir()
    for named, message in (
        ("pictures", "none of the 1 pictures can be used, first: .*00.png is not a JPEG"),
        ("empty", "no JPEG, PNG or WebP picture in .*empty"),
        ("nowhere", "nowhere does not exist; name a picture or a folder"),
    ):
        with pytest.raises(InputError, match=message):
            add_pictures(bundle, tmp_path / "index", [tmp_path / named])
    assert not (tmp_path / "index").exists()


def test_two_pictures_of_one_id_are_refused_before_the_work(bundle, tmp_path, pictures, encoded):
    """Folders of the same name in different places."""
    pictures(2)
    shutil.copytree(tmp_path / "pictures", tmp_path / "other/pictures")
    named = [tmp_path / "pictures", tmp_path / "other/pictures"]
    with pytest.raises(InputError, match=r"the id pictures/0\d\.png is given 2 times"):
        add_pictures(bundle, tmp_path / "index", named)
    assert encoded == []


def test_an_index_of_another_bundle_is_left_alone(bundle, tmp_path, pictures, encoded):
    """Refused before anything is embedded; the index is as it was."""
    pictures(2)
    add_pictures(bundle, tmp_path / "index", [tmp_path / "pictures"])
    other = shutil.copytree(bundle.folder, tmp_path / "other")
    manifest = read_manifest(other, "bundle")
    write_manifest(other, "bundle", manifest.files, {**manifest.body, "noise_samples": 9})
    before = {path: path.read_bytes() for path in (tmp_path / "index").iterdir()}
    encoded.clear()
    with pytest.raises(MismatchError, match="index the pictures again"):
        add_pictures(Bundle.open(other), tmp_path / "index", [tmp_path / "pictures"])
    assert encoded == []
    assert {path: path.read_bytes() for path in (tmp_path / "index").iterdir()} == before


KILLED = """
import shutil
from zscr.infer.bundle import Bundle
from zscr.infer.gallery import add_pictures
from zscr.infer.index import Index
from zscr.infer.session import Runtime

bundle = Bundle.open(Path(sys.argv[1]), Runtime(threads=1))
made, pictures = Path(sys.argv[2]), Path(sys.argv[3])
bundle.gallery

def state(folder):
    return {entry.id: entry.sha256 for entry in Index.open(folder).entries}

for calls in range(99):
    folder = made.with_name("indexes") / str(calls) / "index"
    shutil.copytree(made, folder) if made.exists() else folder.parent.mkdir(parents=True)
    died = killed(lambda: add_pictures(bundle, folder, [pictures]), calls)
    found = state(folder) if folder.exists() else None
    kept = len([*folder.parent.glob(".*/*.parts/0*.npz")])
    rows = rows_of(lambda: add_pictures(bundle, folder, [pictures]))
    left = sorted(os.listdir(folder.parent))
    print(json.dumps([died, found, kept, rows, state(folder), left]))
    if not died:
        break
"""


@pytest.mark.parametrize("start", [0, 3])
def test_killed_add_is_finished_by_the_next(bundle, tmp_path, pictures, run_killed, start):
    """Killed at any call to the disk, the index is the old or the new; a rerun embeds the rest."""
    old, made = None, tmp_path / "made"
    if start:
        pictures(start)
        index = add_pictures(bundle, made, [tmp_path / "pictures"]).index
        old = {entry.id: entry.sha256 for entry in index.entries}
    new = {f"pictures/{path.name}": hash_file(path) for path in pictures(start + 8)}
    seen = run_killed(KILLED, bundle.folder, made, tmp_path / "pictures")
    assert [died for died, *_ in seen] == [True] * (len(seen) - 1) + [False]
    assert all(found in (old, new) for _, found, *_ in seen)
    committed = [found == new for _, found, *_ in seen]
    assert committed == sorted(committed)  # one commit point: undone before it, done after
    assert committed.count(False) > 10
    assert all((after, left) == (new, ["index"]) for *_, after, left in seen)
    rows = [rows for *_, rows, _, _ in seen]
    assert rows == sorted(rows, reverse=True)
    assert set(rows) == {8, 4, 0}
    assert all(rows == 8 - 4 * kept for _, _, kept, rows, *_ in seen if rows)


def test_an_index_may_be_named_from_within(bundle, tmp_path, pictures, monkeypatch):
    """What it needs beside itself for a moment goes beside it, and is gone afterwards."""
    pictures(2)
    add_pictures(bundle, tmp_path / "index", [tmp_path / "pictures"])
    pictures(3)
    monkeypatch.chdir(tmp_path / "index")
    assert counts(add_pictures(bundle, Path("."), [Path("../pictures")])) == (1, 0, 2, 0)
    assert sorted(os.listdir(tmp_path)) == ["index", "pictures"]
