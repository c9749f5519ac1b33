"""Collections: what is written is read back, and contradictions never pass."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from PIL import Image

from zscr.artefact import file_entry, read_manifest, write_manifest
from zscr.data.check import check_collection
from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.data.rules import check_items
from zscr.data.tasks import task_names
from zscr.errors import ArtefactError, CollectionError

SPLITS = {"seen": ["a"], "val": ["b"], "unseen": ["c"]}
CLASSES = [ClassInfo(name, name) for name in "abc"]
ITEMS = [Item("1", "seen", "a"), Item("2", "val", "b"), Item("3", "unseen", "c")]

NO_CLASSES = {"classes": [], "splits": dict.fromkeys(SPLITS, ())}


def test_everything_written_is_read_back(tmp_path):
    """All fields of items and classes, the vectors and the provenance survive."""
    items = (
        Item("a/1", "seen", "a", "1.png", None, ("ein Käfer", "two"), {"domain": "photo"}),
        Item("b/1", "val", "b", None, "1.png", (), {"domain": "sketch", "colour": "red"}),
        Item("c/1", "unseen", "c"),
    )
    classes = (
        ClassInfo("a", "Ä", ("text",), {"colour": "red"}, (0, 2)),
        ClassInfo("b", "b", text_rows=(2, 3)),
        ClassInfo("c", "c"),
    )
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    provenance = {"seed": 7}
    with new_collection(tmp_path / "x", name="n", protocol="p", provenance=provenance) as draft:
        for info, split in zip(classes, SPLITS, strict=True):
            draft.add_class(info, split)
        for item in items:
            draft.add_item(item)
        draft.skip("bad.png", "truncated")
        (draft.folder / "1.png").write_bytes(b"")
        (draft.folder / "vectors").mkdir()
        np.save(draft.folder / "vectors/image.npy", rows)
    found = read_collection(tmp_path / "x")
    assert found.items == items
    assert tuple(found.classes.values()) == classes
    assert found.splits == {name: tuple(ids) for name, ids in SPLITS.items()}
    assert (found.name, found.protocol) == ("n", "p")
    assert found.manifest.body["provenance"] == provenance
    assert np.array_equal(found.vectors("image"), rows)
    assert not found.has_vectors("text")
    assert "truncated" in (tmp_path / "x/errors.jsonl").read_text()
    assert found.split("val") == [items[1]]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"splits": SPLITS | {"unseen": ["c", "a"]}}, "split 'unseen' and in an earlier one.*: a"),
        ({"splits": SPLITS | {"val": ["b", "c"]}}, "split 'unseen' and in an earlier one.*: c"),
        ({"splits": SPLITS | {"seen": ["a", "a"]}}, "in split 'seen' .*or twice in it.*: a"),
        ({"splits": SPLITS | {"val": []}}, "not in both.*: b"),
        ({"classes": [*CLASSES, ClassInfo("d", "d")]}, "not in both.*: d"),
        ({"classes": [*CLASSES, CLASSES[0]]}, "class ids occur twice.*: a"),
        ({"items": [*ITEMS, ITEMS[0]]}, "item ids occur twice.*: 1"),
        ({"items": [Item("1", "unseen", "a")]}, "of another split.*: 1"),
        ({"items": [Item("1", "seen", "z")]}, "unknown or of another split.*: 1"),
        ({"items": [*ITEMS, Item("4", "seen")]}, "name no class.*: 4"),
        ({"items": [Item("1", "test", "a")]}, "are of no split.*: 1"),
        ({"items": ITEMS, **NO_CLASSES}, "3 items name a class, but .* none.*: 1, 2, 3"),
        ({"items": [Item("1", "test")], **NO_CLASSES}, "are of no split.*: 1"),
    ],
)
def test_contradictions_are_refused(change, named):
    """Each rule of the format, one at a time; the offender is named."""
    parts = {"items": ITEMS, "classes": CLASSES, "splits": SPLITS}
    check_items(**parts)
    with pytest.raises(CollectionError, match=named):
        check_items(**(parts | change))


def test_overlapping_classes_are_never_published(tmp_path):
    """A class that is seen and unseen leaves no folder behind."""

    def publish() -> None:
        with new_collection(tmp_path / "x", name="n", protocol="p", provenance={}) as draft:
            draft.add_class(CLASSES[0], "seen")
            draft.add_class(CLASSES[0], "unseen")

    with pytest.raises(CollectionError, match="split 'unseen'"):
        publish()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("table", "old", "new", "named"),
    [
        (
            "classes.json",
            '"val": [\n  "val"',
            '"val": [\n  "seen"',
            "in split 'val' and in an earl",
        ),
        ("items.jsonl", '"id": "val/0"', '"id": "seen/0"', "item ids occur twice.*: seen/0"),
    ],
)
def test_overlapping_classes_are_never_loaded(small_collection, reseal, table, old, new, named):
    """Whoever wrote the tables: every zero-shot figure rests on it."""
    path = small_collection / table
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    reseal(small_collection)
    with pytest.raises(CollectionError, match=named):
        read_collection(small_collection)


@pytest.mark.parametrize("name", ["items.jsonl", "classes.json"])
def test_flipped_byte_in_a_table_is_found_at_load(small_collection, name):
    """Tables are hashed whenever a collection is read."""
    content = bytearray((small_collection / name).read_bytes())
    content[len(content) // 2] ^= 1
    (small_collection / name).write_bytes(content)
    with pytest.raises(ArtefactError, match=f"{name} is damaged"):
        read_collection(small_collection)


def test_deep_check_finds_what_loading_does_not(small_collection):
    """A damaged image passes the load, and is named by the check."""
    assert check_collection(small_collection).faults == ()
    assert check_collection(small_collection).images == 3
    path = small_collection / "val.png"
    path.write_bytes(path.read_bytes()[:-1])
    read_collection(small_collection)
    (fault,) = check_collection(small_collection).faults
    assert "val.png is damaged" in fault


def test_deep_check_counts_rows_and_decodes_images(tmp_path):
    """Hashes can be right while an image never was one, or a vector is missing."""
    with new_collection(tmp_path / "x", name="n", protocol="p", provenance={}) as draft:
        for info, split in zip(CLASSES, SPLITS, strict=True):
            draft.add_class(info, split)
        draft.add_item(Item("1", "seen", "a", "1.png"))
        (draft.folder / "1.png").write_text("text")
        (draft.folder / "vectors").mkdir()
        np.save(draft.folder / "vectors/image.npy", np.zeros((2, 4), np.float32))
    faults = " ".join(check_collection(tmp_path / "x").faults)
    assert "1.png is not a JPEG" in faults
    assert "image.npy is (2, 4)" in faults


def test_classes_texts_and_sketches_are_optional(tmp_path):
    """Images alone, in splits, are a collection: it asks nothing, and its class lists are empty."""
    items = tuple(Item(split, split, image="1.png") for split in SPLITS)
    with new_collection(tmp_path / "x", name="n", protocol="p", provenance={}) as draft:
        (draft.folder / "1.png").write_bytes(b"")
        for item in items:
            draft.add_item(item)
    found = read_collection(tmp_path / "x")
    assert found.items == items
    assert found.split("val") == [items[1]]
    assert found.classes == {}
    assert found.splits == {"seen": (), "val": (), "unseen": ()}
    assert found.counts == {}
    assert found.texts(found.splits["seen"]) == {}
    assert task_names(found) == []


@pytest.mark.parametrize("content", ["objects", "pickle", "cut"])
def test_vectors_are_numbers_and_never_pickles(small_collection, reseal, content):
    """A file that would run code when it is unpickled is refused, whatever its checksum says."""
    path = small_collection / "vectors/image.npy"
    path.parent.mkdir()
    if content == "objects":
        np.save(path, np.array([{}, {}, {}], object), allow_pickle=True)
    elif content == "pickle":
        path.write_bytes(pickle.dumps(np.zeros((3, 2), np.float32)))
    else:
        np.save(path, np.zeros((3, 2), np.float32))
        path.write_bytes(path.read_bytes()[:-1])
    reseal(small_collection)
    with pytest.raises(CollectionError, match=r"image\.npy is not an array of numbers"):
        read_collection(small_collection).vectors("image")
    assert "is not an array of numbers" in check_collection(small_collection).faults[0]


@pytest.mark.parametrize("name", ["none.png", "/etc/hostname", "../other/1.png"])
def test_images_outside_are_refused(tmp_path, name):
    """An item's image is one of the collection's own files when it is written."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other/1.png").write_bytes(b"")

    def write() -> None:
        with new_collection(tmp_path / "x", name="n", protocol="p", provenance={}) as draft:
            for info, split in zip(CLASSES, SPLITS, strict=True):
                draft.add_class(info, split)
            draft.add_item(Item("1", "seen", "a", name))

    with pytest.raises(CollectionError, match="does not hold.*: 1"):
        write()


@pytest.mark.parametrize("name", ["../other.png", "/etc/hostname", "none.png"])
def test_images_outside_are_refused_when_a_manifest_lists_them(small_collection, reseal, name):
    """A collection that somebody else made cannot read files outside its folder."""
    Image.new("RGB", (8, 8)).save(small_collection.parent / "other.png")
    table = small_collection / "items.jsonl"
    table.write_text(table.read_text().replace("seen.png", name, 1))
    reseal(small_collection)
    manifest = read_manifest(small_collection, "collection")
    files = manifest.files if name == "none.png" else {**manifest.files, name: file_entry(table)}
    write_manifest(small_collection, "collection", files, manifest.body)
    with pytest.raises(
        (CollectionError, ArtefactError), match=r"does not hold.*: seen/0|the file name .*\.\.|/etc"
    ):
        read_collection(small_collection)


def test_vectors_are_hashed_once_and_cannot_be_changed(small_collection, reseal):
    """All callers share one array, which is the file and takes no memory of its own."""
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    (small_collection / "vectors").mkdir()
    np.save(small_collection / "vectors/image.npy", rows)
    reseal(small_collection)
    found = read_collection(small_collection)
    assert found.vectors("image") is found.vectors("image")
    with pytest.raises(ValueError, match="read-only"):
        found.vectors("image")[0] = 7
    np.testing.assert_array_equal(found.vectors("image"), rows)


def test_images_need_no_dot_in_their_names(tmp_path):
    """Published ones may be called by a number alone; a folder is no image."""
    with new_collection(tmp_path / "x", name="n", protocol="p", provenance={}) as draft:
        Image.new("RGB", (4, 4)).save(draft.folder / "0001", "PNG")
        draft.add_item(Item("1", "seen", image="0001"))
    assert check_collection(tmp_path / "x").faults == ()

    def name_a_folder() -> None:
        with new_collection(tmp_path / "y", name="n", protocol="p", provenance={}) as draft:
            (draft.folder / "a.png").mkdir()
            draft.add_item(Item("1", "seen", image="a.png"))

    with pytest.raises(CollectionError, match="does not hold.*: 1"):
        name_a_folder()
