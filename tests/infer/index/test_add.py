"""Images into an index: ids that stay, bad ones listed, and a kill that costs little."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zscr.artefact import hash_file, read_manifest, write_manifest
from zscr.errors import InputError, MismatchError
from zscr.infer.bundle import Bundle
from zscr.infer.index.add import add_images
from zscr.infer.index.index import Index
from zscr.infer.runners.onnx import Runtime


@pytest.fixture(scope="module")
def bundle(deployed):
    return Bundle.open(deployed.bundle, Runtime(threads=1))


def counts(added):
    report = added.report
    return report.added, report.replaced, report.unchanged, len(added.skipped)


def test_ids_are_paths_below_the_named_folder(bundle, tmp_path, images, monkeypatch):
    """However the folder is named, and from wherever; a file's id is its name."""
    images(3, "birds")
    (tmp_path / "birds/deep").mkdir()
    (tmp_path / "birds/01.png").rename(tmp_path / "birds/deep/one.png")
    (tmp_path / "birds/note.txt").write_text("no image")
    ids = ["birds/00.png", "birds/02.png", "birds/deep/one.png"]
    folder = tmp_path / "index"
    first = add_images(bundle, folder, [tmp_path / "birds"])
    assert [entry.id for entry in first.index.entries] == ids
    monkeypatch.chdir(tmp_path / "birds/deep")
    for named in ("..", "../../birds", "../deep/.."):
        assert counts(add_images(bundle, folder, [Path(named)])) == (0, 0, 3, 0)
    lone = add_images(bundle, folder, [tmp_path / "birds/02.png"])
    assert [entry.id for entry in lone.index.entries] == [*ids, "02.png"]


def test_vectors_are_the_images_own(bundle, tmp_path, images):
    """Each row is what the gallery side makes of its image, and the image is named."""
    paths = images(5)
    index = add_images(bundle, tmp_path / "index", [tmp_path / "images"]).index
    alone = np.concatenate([bundle.gallery.encode([path]) for path in paths])
    np.testing.assert_allclose(index.vectors, alone, atol=1e-6)
    assert [entry.image for entry in index.entries] == list(map(str, paths))
    assert index.bundle_sha256 == bundle.sha256


def test_only_what_is_new_is_embedded(bundle, tmp_path, images, encoded):
    """New images come, changed ones replace their old selves, the rest costs nothing."""
    paths, folder = images(6), tmp_path / "index"
    for path in paths[4:]:
        path.rename(tmp_path / path.name)
    before = add_images(bundle, folder, [tmp_path / "images"]).index
    for path in paths[4:]:
        (tmp_path / path.name).rename(path)
    Image.new("RGB", (30, 30), "red").save(paths[1])
    encoded.clear()
    added = add_images(bundle, folder, [tmp_path / "images"])
    assert (counts(added), sum(encoded)) == ((2, 1, 3, 0), 3)
    assert [entry.id for entry in added.index.entries] == [f"images/0{n}.png" for n in range(6)]
    np.testing.assert_array_equal(added.index.vectors[[0, 2, 3]], before.vectors[[0, 2, 3]])
    np.testing.assert_allclose(
        added.index.vectors[1:2], bundle.gallery.encode(paths[1:2]), atol=1e-6
    )


def test_bad_images_are_listed_until_mended(bundle, tmp_path, images):
    """One that is damaged and one that cannot be read do not keep the others out."""
    paths, folder = images(5), tmp_path / "index"
    whole = paths[2].read_bytes()
    paths[2].write_bytes(whole[:100])
    paths[4].unlink()
    paths[4].symlink_to("/proc/self/mem")  # reading it is an input/output error
    added = add_images(bundle, folder, [tmp_path / "images"])
    assert counts(added) == (3, 0, 0, 2)
    reasons = {row["image"]: row["reason"] for row in Index.open(folder).errors}
    assert set(reasons) == {str(paths[2]), str(paths[4])}
    assert "truncated" in reasons[str(paths[2])]
    assert "Input/output error" in reasons[str(paths[4])]
    paths[2].write_bytes(whole)
    assert counts(add_images(bundle, folder, [tmp_path / "images"])) == (1, 0, 3, 1)
    assert [row["image"] for row in Index.open(folder).errors] == [str(paths[4])]


def test_nothing_usable_is_one_sentence(bundle, tmp_path, images):
    """With the reason or the missing name; no index is left behind."""
    images(2)[0].write_text("text")
    (tmp_path / "images/01.png").unlink()
    (tmp_path / "empty").mkdir()
    for named, message in (
        ("images", "none of the 1 images can be used, first: .*00.png is not a JPEG"),
        ("empty", "no JPEG, PNG or WebP image in .*empty"),
        ("nowhere", "nowhere does not exist; name an image or a folder"),
    ):
        with pytest.raises(InputError, match=message):
            add_images(bundle, tmp_path / "index", [tmp_path / named])
    assert not (tmp_path / "index").exists()


def test_two_images_of_one_id_are_refused_before_the_work(bundle, tmp_path, images, encoded):
    """Folders of the same name in different places."""
    images(2)
    shutil.copytree(tmp_path / "images", tmp_path / "other/images")
    named = [tmp_path / "images", tmp_path / "other/images"]
    with pytest.raises(InputError, match=r"the id images/0\d\.png is given 2 times"):
        add_images(bundle, tmp_path / "index", named)
    assert encoded == []


def test_an_index_of_another_bundle_is_left_alone(bundle, tmp_path, images, encoded):
    """Refused before anything is embedded; the index is as it was."""
    images(2)
    add_images(bundle, tmp_path / "index", [tmp_path / "images"])
    other = shutil.copytree(bundle.folder, tmp_path / "other")
    manifest = read_manifest(other, "bundle")
    write_manifest(other, "bundle", manifest.files, {**manifest.body, "noise_samples": 9})
    before = {path: path.read_bytes() for path in (tmp_path / "index").iterdir()}
    encoded.clear()
    with pytest.raises(MismatchError, match="index the images again"):
        add_images(Bundle.open(other), tmp_path / "index", [tmp_path / "images"])
    assert encoded == []
    assert {path: path.read_bytes() for path in (tmp_path / "index").iterdir()} == before


KILLED = """
import shutil
from zscr.infer.bundle import Bundle
from zscr.infer.index.add import add_images
from zscr.infer.index.index import Index
from zscr.infer.runners.onnx import Runtime

bundle = Bundle.open(Path(sys.argv[1]), Runtime(threads=1))
made, images = Path(sys.argv[2]), Path(sys.argv[3])
bundle.gallery

def state(folder):
    return {entry.id: entry.sha256 for entry in Index.open(folder).entries}

for calls in range(99):
    folder = made.with_name("indexes") / str(calls) / "index"
    shutil.copytree(made, folder) if made.exists() else folder.parent.mkdir(parents=True)
    died = killed(lambda: add_images(bundle, folder, [images]), calls)
    found = state(folder) if folder.exists() else None
    kept = len([*folder.parent.glob(".*/*.parts/0*.npz")])
    rows = rows_of(lambda: add_images(bundle, folder, [images]))
    left = sorted(os.listdir(folder.parent))
    print(json.dumps([died, found, kept, rows, state(folder), left]))
    if not died:
        break
"""


@pytest.mark.parametrize("start", [0, 3])
def test_killed_add_is_finished_by_the_next(bundle, tmp_path, images, run_killed, start):
    """Killed at any call to the disk, the index is the old or the new; a rerun embeds the rest."""
    old, made = None, tmp_path / "made"
    if start:
        images(start)
        index = add_images(bundle, made, [tmp_path / "images"]).index
        old = {entry.id: entry.sha256 for entry in index.entries}
    new = {f"images/{path.name}": hash_file(path) for path in images(start + 8)}
    seen = run_killed(KILLED, bundle.folder, made, tmp_path / "images")
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


def test_an_index_may_be_named_from_within(bundle, tmp_path, images, monkeypatch):
    """What it needs beside itself for a moment goes beside it, and is gone afterwards."""
    images(2)
    add_images(bundle, tmp_path / "index", [tmp_path / "images"])
    images(3)
    monkeypatch.chdir(tmp_path / "index")
    assert counts(add_images(bundle, Path("."), [Path("../images")])) == (1, 0, 2, 0)
    assert sorted(os.listdir(tmp_path)) == ["images", "index"]
