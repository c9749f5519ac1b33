"""Images into an index: ids that stay, bad ones listed, and a kill that costs little."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from zscr.artefact import hash_file, read_manifest, write_manifest
from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.data.records import Query
from zscr.errors import InputError, MismatchError
from zscr.infer.bundle import Bundle
from zscr.infer.index.add import add_collection, add_images
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.index import Index
from zscr.infer.runners.runner import Runtime

ONE = Runtime(threads=1)


def queries_of(paths):
    return Query.of("image", paths)


def counts(added):
    report = added.report
    return report.added, report.replaced, report.unchanged, len(added.skipped)


def test_ids_are_paths_below_the_named_folder(bundle, tmp_path, images, monkeypatch):
    """However the folder is named, and from wherever; a file alone is the same image."""
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
    assert counts(lone) == (0, 0, 1, 0)
    assert [entry.id for entry in lone.index.entries] == ids


def test_vectors_are_the_images_own(bundle, tmp_path, images):
    """Each row is what the gallery graph makes of its image, and the image is named."""
    paths = images(5)
    index = add_images(bundle, tmp_path / "index", [tmp_path / "images"]).index
    alone = np.concatenate([bundle.gallery.encode([query]) for query in queries_of(paths)])
    np.testing.assert_allclose(index.vectors, alone, atol=1e-6)
    assert [entry.image for entry in index.entries] == list(map(str, paths))
    assert (index.space, index.bundle_name) == (bundle.space, "birds")


def test_only_what_is_new_is_embedded(bundle, tmp_path, images, counted):
    """New images come, changed ones replace their old selves, the rest costs nothing."""
    paths, folder = images(6), tmp_path / "index"
    for path in paths[4:]:
        path.rename(tmp_path / path.name)
    before = add_images(bundle, folder, [tmp_path / "images"]).index
    for path in paths[4:]:
        (tmp_path / path.name).rename(path)
    Image.new("RGB", (30, 30), "red").save(paths[1])
    sizes = counted(bundle.gallery)
    added = add_images(bundle, folder, [tmp_path / "images"])
    assert (counts(added), sum(sizes)) == ((2, 1, 3, 0), 3)
    names = [f"images/0{n}.png" for n in range(6)]
    assert sorted(entry.id for entry in added.index.entries) == names
    same = [names[row] for row in (0, 2, 3)]
    np.testing.assert_array_equal(added.index.embedded(same)[0], before.embedded(same)[0])
    red = bundle.gallery.encode(queries_of(paths[1:2]))
    np.testing.assert_allclose(added.index.embedded(names[1:2])[0], red, atol=1e-6)


@pytest.fixture
def two_outputs(make_bundle, tmp_path):
    """Open a bundle whose gallery gives an image feature, too."""
    return Bundle.open(make_bundle(tmp_path / "two", feature=True), ONE)


def test_features_are_stored_with_the_embeddings(two_outputs, tmp_path, images, counted):
    """Each row is the graph's own second output, and every image is run once, also when added."""
    paths, folder = images(5), tmp_path / "index"
    both, sizes = two_outputs.gallery_and_feature, counted(two_outputs.gallery_and_feature)
    add_images(two_outputs, folder, paths[:3])
    index = add_images(two_outputs, folder, paths).index
    assert (sum(sizes), index.count) == (5, 5)
    runs = [both.runner.run(both.prepare([query]).feeds) for query in queries_of(paths)]
    wanted = np.concatenate([run["feature"] for run in runs])
    np.testing.assert_allclose(index.features, wanted, atol=3e-4)  # float16
    np.testing.assert_allclose(
        index.vectors, np.concatenate([run["embedding"] for run in runs]), atol=1e-6
    )


def test_a_diffused_index_is_diffused_again_by_every_add(two_outputs, tmp_path, images):
    """In two goes, the second without a word of it, it becomes what it is at once."""
    paths, how = images(7), Diffusion(k=2, alpha=0.7, steps=3)
    grown, whole = tmp_path / "grown", tmp_path / "whole"
    add_images(two_outputs, grown, paths[:4], diffusion=how)
    index = add_images(two_outputs, grown, paths).index
    made = add_images(two_outputs, whole, paths, diffusion=how).index
    assert index.diffusion == how
    np.testing.assert_array_equal(index.vectors, made.vectors)
    plain = add_images(two_outputs, tmp_path / "plain", paths).index
    assert np.abs(np.asarray(plain.vectors) - np.asarray(made.vectors)).max() > 0.01
    assert counts(add_images(two_outputs, grown, paths, diffusion=how)) == (0, 0, 7, 0)


def test_diffusion_that_cannot_be_is_refused_before_the_work(
    bundle, two_outputs, tmp_path, images, counted
):
    """Of an index that was made without or with another, and of a bundle without a feature."""
    paths, how = images(3), Diffusion(k=2)
    add_images(two_outputs, tmp_path / "plain", paths)
    add_images(two_outputs, tmp_path / "diffused", paths, diffusion=how)
    with pytest.raises(InputError, match="birds gives no feature .*--diffuse"):
        add_images(bundle, tmp_path / "index", paths, diffusion=how)
    sizes = counted(two_outputs.gallery_and_feature)
    for name, wish, made in (
        ("plain", how, "plain was made without --diffuse"),
        ("diffused", Diffusion(k=3), "diffused was diffused over 2 neighbours with alpha 0.9"),
    ):
        with pytest.raises(InputError, match=f"{made}.*; leave --diffuse out, or make another"):
            add_images(two_outputs, tmp_path / name, paths, diffusion=wish)
    assert sizes == []


def test_bad_images_are_listed_until_mended(bundle, tmp_path, images):
    """One that is damaged and one that cannot be read do not keep the others out."""
    paths, folder = images(5), tmp_path / "index"
    whole = paths[2].read_bytes()
    paths[2].write_bytes(whole[:100])
    paths[4].unlink()
    paths[4].symlink_to("/proc/self/mem")  # which is not opened
    added = add_images(bundle, folder, [tmp_path / "images"])
    assert counts(added) == (3, 0, 0, 2)
    reasons = {row["image"]: row["reason"] for row in Index.open(folder).errors}
    assert set(reasons) == {str(paths[2]), str(paths[4])}
    assert "truncated" in reasons[str(paths[2])]
    assert "is a file of the kernel" in reasons[str(paths[4])]
    paths[2].write_bytes(whole)
    assert counts(add_images(bundle, folder, [tmp_path / "images"])) == (1, 0, 3, 1)
    assert [row["image"] for row in Index.open(folder).errors] == [str(paths[4])]
    paths[4].unlink()
    paths[4].write_text("text")
    assert counts(add_images(bundle, folder, [tmp_path / "images"])) == (0, 0, 4, 1)
    [row] = Index.open(folder).errors
    assert "not a JPEG" in row["reason"]
    (tmp_path / "images/copy.png").write_text("text")  # each is told by its own name
    add_images(bundle, folder, [tmp_path / "images"])
    assert all(row["reason"].startswith(row["image"]) for row in Index.open(folder).errors)


def test_nothing_usable_is_one_sentence(bundle, tmp_path, images):
    """With the reason or the missing name; no index is left behind."""
    images(2)[0].write_text("text")
    (tmp_path / "images/01.png").unlink()
    (tmp_path / "empty").mkdir()
    for named, message in (
        ("images", "none of the 1 images can be used, first: .*00.png is not a JPEG"),
        ("empty", "there is no image in .*empty; name another"),
        ("nowhere", "nowhere does not exist; name an image or a folder"),
    ):
        with pytest.raises(InputError, match=message):
            add_images(bundle, tmp_path / "index", [tmp_path / named])
    assert not (tmp_path / "index").exists()


def test_an_index_of_another_space_is_left_alone(bundle, make_bundle, tmp_path, images, counted):
    """Refused before anything is embedded; the index is as it was."""
    images(2)
    add_images(bundle, tmp_path / "index", [tmp_path / "images"])
    other = Bundle.open(make_bundle(tmp_path / "other", gallery=9), ONE)
    before = {path: path.read_bytes() for path in (tmp_path / "index").iterdir()}
    sizes = counted(other.gallery)
    with pytest.raises(
        MismatchError, match=f"birds .*not in {other.space}.*index the images again"
    ):
        add_images(other, tmp_path / "index", [tmp_path / "images"])
    assert sizes == []
    assert {path: path.read_bytes() for path in (tmp_path / "index").iterdir()} == before


def test_what_cannot_be_added_is_refused_before_the_images_are_read(
    bundle, make_bundle, tmp_path, images
):
    """Hashing a large folder takes long; here the folder does not even exist."""
    images(2)
    add_images(bundle, tmp_path / "index", [tmp_path / "images"])
    other = Bundle.open(make_bundle(tmp_path / "other", gallery=9), ONE)
    with pytest.raises(MismatchError, match="index the images again"):
        add_images(other, tmp_path / "index", [tmp_path / "nowhere"])


def test_a_bundle_with_the_same_gallery_may_add(bundle, make_bundle, tmp_path, images):
    """Another query graph, other examples, more in the manifest: it is one space all the same."""
    images(2)
    add_images(bundle, tmp_path / "index", [tmp_path / "images"])
    other = make_bundle(tmp_path / "other", query=9, examples={"finch": "finch"})
    manifest = read_manifest(other, "bundle")
    write_manifest(other, "bundle", manifest.files, {**manifest.body, "parity": {"text": 1e-7}})
    images(3)
    added = add_images(Bundle.open(other, ONE), tmp_path / "index", [tmp_path / "images"])
    assert counts(added) == (1, 0, 2, 0)


def test_the_search_is_measured_on_the_examples(bundle, tmp_path, images):
    """A sample of real queries is kept: what the text graph makes of the bundle's examples."""
    images(3)
    add_images(bundle, tmp_path / "index", [tmp_path / "images"])
    session = onnxruntime.InferenceSession(
        bundle.folder / "query.onnx", providers=["CPUExecutionProvider"]
    )
    numbers = np.zeros((3, 24), np.int64)
    for row, text in enumerate(("a red wren", "a robin", "blue tit")):
        numbers[row, : len(text)] = [27 if c == " " else ord(c) - ord("a") + 1 for c in text]
    [expected] = session.run(None, {"given": numbers})
    kept = np.load(tmp_path / "index/queries.1.npy")
    np.testing.assert_allclose(kept, expected, atol=1e-6)


@pytest.mark.parametrize("options", [{"takes": "vector"}, {"examples": {}}])
def test_without_texts_there_are_no_real_queries(make_bundle, tmp_path, images, options):
    """A bundle that takes no texts, or has no examples, still indexes."""
    images(2)
    bundle = Bundle.open(make_bundle(tmp_path / "bundle", **options), ONE)
    assert counts(add_images(bundle, tmp_path / "index", [tmp_path / "images"])) == (2, 0, 0, 0)
    assert not (tmp_path / "index/queries.1.npy").exists()


def test_a_gallery_that_is_not_of_images_is_refused(make_bundle, tmp_path, images):
    """In one sentence, before anything is written."""
    images(1)
    bundle = Bundle.open(make_bundle(tmp_path / "bundle", gallery_takes="vector"), ONE)
    with pytest.raises(InputError, match="bundle bundle is embedded from vector, not from images"):
        add_images(bundle, tmp_path / "index", [tmp_path / "images"])
    assert sorted(os.listdir(tmp_path)) == ["bundle", "images"]


def test_a_collection_is_indexed_with_what_it_knows(bundle, tmp_path, images):
    """Ids, contents, classes and attributes are the collection's; its other items have no image."""
    paths = images(2)
    with new_collection(tmp_path / "birds", name="birds", protocol="test", provenance={}) as draft:
        draft.add_class(ClassInfo("wren", "wren", ("a wren",)), "unseen")
        for number, path in enumerate(paths):
            shutil.copy(path, draft.folder / path.name)
            about = {"domain": "photo"} if number else {}
            draft.add_item(Item(f"w{number}", "unseen", "wren", path.name, attributes=about))
        draft.add_item(Item("described", "unseen", "wren", texts=("brown",)))
    collection = read_collection(tmp_path / "birds")
    added = add_collection(bundle, tmp_path / "index", collection, collection.split("unseen"))
    first, second = Index.open(tmp_path / "index", bundle.space).entries
    assert (first.id, first.class_id, first.attributes) == ("w0", "wren", {"class": "wren"})
    assert second.attributes == {"domain": "photo", "class": "wren"}
    assert (first.sha256, first.image) == (hash_file(paths[0]), str(tmp_path / "birds/00.png"))
    expected = bundle.gallery.encode(queries_of(paths))
    np.testing.assert_allclose(added.index.vectors, expected, atol=1e-6)
    again = add_collection(bundle, tmp_path / "index", collection, collection.split("unseen"))
    assert counts(again) == (0, 0, 2, 0)


KILLED = """
import shutil

from zscr.infer.bundle import Bundle
from zscr.infer.index.add import add_images
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.index import Index
from zscr.infer.runners.runner import Runtime

bundle = Bundle.open(Path(sys.argv[1]), Runtime(threads=1))
made, images = Path(sys.argv[2]), Path(sys.argv[3])
count(bundle.gallery)

def add():
    add_images(bundle, folder, [images], shard=4)

def state(folder):
    return {entry.id: entry.sha256 for entry in Index.open(folder).entries}

for calls in range(99):
    folder = made.with_name("indexes") / str(calls) / "index"
    shutil.copytree(made, folder) if made.exists() else folder.parent.mkdir(parents=True)
    died = killed(add, calls)
    found = state(folder) if folder.exists() else None
    kept = len([*folder.parent.glob(".*/*.parts/0*.npz")])
    rows = rows_of(add)
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
