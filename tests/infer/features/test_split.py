"""A split's rows: class after class, descriptions first, and nothing shifts when some are bad."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.data.records import Query
from zscr.errors import ArtefactError, CollectionError, InputError
from zscr.infer.encoder import load_encoder
from zscr.infer.features.split import load_split
from zscr.infer.features.table import group_names
from zscr.infer.runners.runner import Runtime

ONE = Runtime(threads=1)


@dataclass(frozen=True)
class Need:
    table: str
    per: str = "class"
    texts: None = None


BOTH = (Need("image"), Need("text"))
PUBLISHED = {"image": None, "text": None}


@pytest.fixture
def encoders(tiny_image, tiny_text):
    return {"image": load_encoder(tiny_image, ONE), "text": load_encoder(tiny_text, ONE)}


@pytest.fixture
def own_shapes(shapes, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(shapes, tmp_path / "shapes")


def published(path, **arrays):
    """A collection of vectors whose items and text rows are not in the order of its classes."""
    vectors = {"image": np.arange(10).reshape(5, 2), "text": np.arange(12).reshape(4, 3)}
    with new_collection(path, name="p", protocol="test", provenance={}) as draft:
        (draft.folder / "vectors").mkdir()
        for name, array in (vectors | arrays).items():
            np.save(draft.folder / f"vectors/{name}.npy", array.astype(np.float32))
        draft.add_class(ClassInfo("b", "b", text_rows=(2, 4)), "seen")
        draft.add_class(ClassInfo("a", "a", text_rows=(0, 1)), "seen")
        draft.add_class(ClassInfo("v", "v", text_rows=(1, 2)), "val")
        for number, name in enumerate("abvba"):
            draft.add_item(Item(f"{name}{number}", "val" if name == "v" else "seen", name))
    return read_collection(path)


def test_rows_are_in_the_order_of_the_classes(shapes, encoders, tmp_path):
    """Each row is its own image's or text's vector, each text where its class has it."""
    collection = read_collection(shapes)
    split = load_split(collection, "val", BOTH, encoders, tmp_path)
    assert split.groups == ("black-circle", "black-square")
    items = [item for name in split.groups for item in collection.items if item.class_id == name]
    assert split["image"].ids == tuple(item.id for item in items)
    assert group_names(split, "image") == [item.class_id for item in items]
    texts = [text for group in collection.texts(split.groups).values() for text in group]
    assert texts[0] == "a black circle on grey ground"
    assert texts[1:3] == ["small black circle"] * 2
    assert group_names(split, "text") == ["black-circle"] * 5 + ["black-square"] * 5
    assert [split["image"].starts.tolist(), split["text"].starts.tolist()] == [
        [0, 4, 8],
        [0, 5, 10],
    ]
    image, text = encoders["image"], encoders["text"]
    np.testing.assert_allclose(split["text"].rows, text.encode(Query.of("text", texts)), atol=1e-6)
    paths = [shapes / str(item.image) for item in items]
    np.testing.assert_allclose(
        split["image"].rows, image.encode(Query.of("image", paths)), atol=1e-6
    )


def test_published_vectors_need_no_encoder(tmp_path):
    """Rows are gathered by class from wherever they stand in the file."""
    split = load_split(published(tmp_path / "p"), "seen", BOTH, PUBLISHED)
    assert split.groups == ("b", "a")
    assert split["image"].ids == ("b1", "b3", "a0", "a4")
    assert split["image"].rows.tolist() == [[2, 3], [6, 7], [0, 1], [8, 9]]
    assert split["text"].rows.tolist() == [[6, 7, 8], [9, 10, 11], [0, 1, 2]]
    assert group_names(split, "text") == ["b", "b", "a"]


def test_published_texts_go_with_images(shapes, encoders, tmp_path):
    """Each side is read or encoded by itself: vectors of classes' names, images by a network."""
    image = encoders["image"]
    shown = read_collection(shapes)
    with new_collection(tmp_path / "c", name="c", protocol="test", provenance={}) as draft:
        for row, name in enumerate(("red-circle", "blue-square")):
            draft.add_class(ClassInfo(name, name, (f"a {name}",), text_rows=(row, row + 1)), "seen")
            for item in (item for item in shown.items if item.class_id == name):
                shutil.copy(shapes / item.image, draft.folder / item.image)
                draft.add_item(Item(item.id, "seen", name, item.image))
        draft.save_vectors("text", np.eye(2, 3))
    split = load_split(
        read_collection(tmp_path / "c"), "seen", BOTH, {"image": image, "text": None}
    )
    assert split["text"].rows.tolist() == [[1, 0, 0], [0, 1, 0]]
    paths = [shapes / f"{name}.png" for name in split["image"].ids]
    np.testing.assert_allclose(
        split["image"].rows, image.encode(Query.of("image", paths)), atol=1e-6
    )
    assert split["image"].starts.tolist() == [0, 4, 8]


def test_wide_published_texts_fit_in_memory(tmp_path):
    """NAB's 404 TF-IDF rows of 13,217 numbers are 21 MB: dense, they are read but once a split."""
    rows = np.zeros((404, 13_217), np.float32)
    rows[np.arange(404), np.arange(404) * 32] = 1
    with new_collection(tmp_path / "nab", name="nab", protocol="test", provenance={}) as draft:
        for row in range(404):
            split = "unseen" if row >= 323 else "val" if row >= 262 else "seen"
            draft.add_class(ClassInfo(str(row), str(row), text_rows=(row, row + 1)), split)
            draft.add_item(Item(f"{row}/0", split, str(row)))
        draft.save_vectors("text", rows)
        draft.save_vectors("image", np.ones((404, 2)))
    tracemalloc.start()
    split = load_split(read_collection(tmp_path / "nab"), "unseen", BOTH, PUBLISHED)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert split["text"].rows.shape == (81, 13_217)
    assert (split["text"].rows.argmax(1) == np.arange(323, 404) * 32).all()
    assert peak < 2 * rows.nbytes


@pytest.mark.parametrize(("field", "of"), [("image", 4), ("text", 3)])
def test_features_that_are_not_finite_are_refused(tmp_path, field, of):
    """With their number; those of other splits do not matter."""
    broken = np.ones((5, 2) if field == "image" else (4, 3))
    broken[[0, 3], 1] = np.nan, np.inf
    collection = published(tmp_path / "p", **{field: broken})
    with pytest.raises(InputError, match=f"2 of {of} {field} features of split 'seen' are not"):
        load_split(collection, "seen", BOTH, PUBLISHED)
    assert np.isfinite(load_split(collection, "val", BOTH, PUBLISHED)["image"].rows).all()


def test_empty_splits_are_refused(tmp_path):
    """With what there is of either."""
    with pytest.raises(CollectionError, match="'unseen' of .* has 0 images and 0 texts that can"):
        load_split(published(tmp_path / "p"), "unseen", BOTH, PUBLISHED)


def test_a_collection_without_sketches_is_refused_at_once(shapes, encoders, tmp_path):
    """Before the features of its images are computed; views are not counted again."""
    needs = [Need("image"), Need("sketch"), Need("sketch/flipped")]
    own = {name: encoders["image"] for name in ("image", "sketch", "sketch/flipped")}
    with pytest.raises(CollectionError, match=r"has \d+ images and 0 sketches that can be used"):
        load_split(read_collection(shapes), "seen", needs, own, tmp_path / "features")
    assert not (tmp_path / "features").exists()


def test_vectors_that_are_not_there_are_refused(shapes, tmp_path, encoders):
    """A collection of images cannot be read without an encoder."""
    with pytest.raises(ArtefactError, match=r"does not list vectors/image\.npy"):
        load_split(read_collection(shapes), "val", BOTH, {**encoders, "image": None}, tmp_path)


def test_bad_images_are_listed_and_shift_nothing(own_shapes, encoders, tmp_path, capsys):
    """An image that changed after the manifest, and one that is gone, leave the others alone."""
    collection, store = read_collection(own_shapes), tmp_path / "store"
    whole = load_split(collection, "val", BOTH, encoders, tmp_path / "whole")
    sound = (own_shapes / "black-circle-1.png").read_bytes()
    Image.new("RGB", (8, 8)).save(own_shapes / "black-circle-1.png")
    kept = (own_shapes / "black-square-3.png").rename(tmp_path / "kept.png")
    split = load_split(collection, "val", BOTH, encoders, store)
    rows = [0, 2, 3, 4, 5, 6]
    assert split["image"].ids == tuple(whole["image"].ids[row] for row in rows)
    assert split["image"].starts.tolist() == [0, 3, 6]
    np.testing.assert_allclose(split["image"].rows, whole["image"].rows[rows], atol=1e-6)
    said = capsys.readouterr().err
    assert (
        "2 images of split 'val' could not be used and are left out, first black-circle-1" in said
    )
    load_split(collection, "seen", BOTH, encoders, store)  # another split's list is its own
    listed = [json.loads(line) for line in (store / "errors.val.jsonl").read_text().splitlines()]
    assert [row["id"] for row in listed] == ["black-circle-1", "black-square-3"]
    assert "has changed since it was listed" in listed[0]["reason"]
    assert "does not exist" in listed[1]["reason"]
    kept.rename(own_shapes / "black-square-3.png")
    assert len(load_split(collection, "val", BOTH, encoders, store)["image"].rows) == 7
    assert len((store / "errors.val.jsonl").read_text().splitlines()) == 1
    (own_shapes / "black-circle-1.png").write_bytes(sound)
    assert load_split(collection, "val", BOTH, encoders, store)["image"].ids == whole["image"].ids
    assert not (store / "errors.val.jsonl").exists()


def test_bad_twins_are_counted_each(tmp_path, encoders, capsys):
    """Two items with the same unusable content are two items that are left out."""
    with new_collection(tmp_path / "c", name="c", protocol="test", provenance={}) as draft:
        draft.add_class(ClassInfo("a", "a", ("red",)), "seen")
        for number, content in enumerate((b"text", b"text")):
            (draft.folder / f"{number}.png").write_bytes(content)
            draft.add_item(Item(str(number), "seen", "a", f"{number}.png"))
        Image.new("RGB", (8, 8)).save(draft.folder / "good.png")
        draft.add_item(Item("good", "seen", "a", "good.png"))
    split = load_split(read_collection(tmp_path / "c"), "seen", BOTH, encoders)
    assert split["image"].ids == ("good",)
    assert "2 images of split 'seen' could not be used" in capsys.readouterr().err


@pytest.fixture
def drawn(tmp_path):
    """Two classes of items, one item without a sketch, one without a caption, one damaged."""
    with new_collection(tmp_path / "c", name="c", protocol="test", provenance={}) as draft:
        for name in ("a", "b"):
            draft.add_class(ClassInfo(name, name, (f"a {name}",)), "seen")
            for number in range(3):
                colour = (90 * number, 200 if name == "a" else 0, 0)
                files = {kind: f"{name}{number}-{kind}.png" for kind in ("image", "sketch")}
                for kind, file in files.items():
                    Image.new("RGB", (16, 16), colour if kind == "image" else "white").save(
                        draft.folder / file
                    )
                if (name, number) == ("a", 1):
                    del files["sketch"]
                if (name, number) == ("b", 2):
                    (draft.folder / files["image"]).write_bytes(b"text")
                texts = () if (name, number) == ("b", 0) else (f"red {name}", f"{number}")
                draft.add_item(Item(f"{name}{number}", "seen", name, **files, texts=texts))
    return read_collection(tmp_path / "c")


def test_sketches_are_a_table_of_their_own(drawn, encoders):
    """By class, through the image encoder; items without one have no row."""
    split = load_split(drawn, "seen", [Need("image"), Need("sketch")], encoders)
    assert split["sketch"].ids == ("a0", "a2", "b0", "b1", "b2")
    assert split["image"].ids == ("a0", "a1", "a2", "b0", "b1")
    assert split["sketch"].starts.tolist() == [0, 2, 5]
    white = encoders["image"].encode(Query.of("image", [drawn.folder / "a0-sketch.png"]))
    np.testing.assert_allclose(split["sketch"].rows, white.repeat(5, 0), atol=1e-6)


def test_what_cannot_be_used_is_counted_once_for_all_views(drawn, encoders, capsys):
    """The damaged image, of which two tables are asked."""
    own = {name: encoders["image"] for name in ("image", "image/flipped")}
    load_split(drawn, "seen", [Need("image"), Need("image/flipped")], own)
    assert "1 images of split 'seen' could not be used" in capsys.readouterr().err


def test_items_are_groups_of_their_own(drawn, encoders):
    """Each with all that is needed of it, or not at all; a damaged image takes its item along."""
    needs = [Need("image", "item"), Need("sketch", "item"), Need("text", "item")]
    split = load_split(drawn, "seen", needs, encoders)
    assert split.groups == ("a0", "a2", "b1")
    assert split["text"].ids == ("a0#0", "a0#1", "a2#0", "a2#1", "b1#0", "b1#1")
    assert split["text"].starts.tolist() == [0, 2, 4, 6]
    own = encoders["image"].encode(Query.of("image", [drawn.folder / "a2-image.png"]))
    np.testing.assert_allclose(split["image"].rows[1:2], own, atol=1e-6)


def test_images_alone_are_one_group(drawn, encoders):
    """A method that asks for no more needs neither texts nor classes, nor a text encoder."""
    split = load_split(drawn, "seen", [Need("image", "image")], {"image": encoders["image"]})
    assert (split.groups, len(split["image"].rows)) == (("all",), 5)
    assert set(split.tables) == {"image"}


def test_published_vectors_go_before_images(drawn, tmp_path):
    """A collection with both gives each item its own published row."""
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    with new_collection(tmp_path / "both", name="b", protocol="test", provenance={}) as draft:
        draft.add_class(ClassInfo("a", "a", ("a",)), "seen")
        for item in drawn.items:
            shutil.copy(drawn.folder / item.image, draft.folder / item.image)
            draft.add_item(Item(item.id, "seen", "a", item.image))
        draft.save_vectors("image", rows)
    split = load_split(read_collection(tmp_path / "both"), "seen", [Need("image")], PUBLISHED)
    np.testing.assert_array_equal(split["image"].rows, rows)
