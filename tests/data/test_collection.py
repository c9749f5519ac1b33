"""Collections: what is written is read back, and contradictions never pass."""

from __future__ import annotations

import numpy as np
import pytest

from zscr.data.check import check_collection
from zscr.data.collection import (
    ClassInfo,
    Item,
    Query,
    check,
    new_collection,
    read_collection,
)
from zscr.errors import ArtefactError, CollectionError

SPLITS = {"seen": ["a"], "val": ["b"], "unseen": ["c"]}
CLASSES = [ClassInfo(name, name) for name in "abc"]
ITEMS = [Item("1", "a", "seen"), Item("2", "b", "val"), Item("3", "c", "unseen")]


def test_everything_written_is_read_back(tmp_path):
    """All fields of items, classes and queries, the vectors and the provenance survive."""
    items = (
        Item("a/1", "a", "seen", "1.png", None, ("ein Käfer", "two"), "photo"),
        Item("b/1", "b", "val", None, "1.png", (), "sketch"),
        Item("c/1", "c", "unseen"),
    )
    classes = (
        ClassInfo("a", "Ä", ("text",), {"colour": "red"}, (0, 2)),
        ClassInfo("b", "b", text_rows=(2, 3)),
        ClassInfo("c", "c"),
    )
    queries = (
        Query("q1", {"c/1": 2.0, "a/1": 0.5}, text="t", exclude=("b/1",), kind="edit"),
        Query("q2", {}, image="1.png"),
        Query("q3", {}, sketch="1.png"),
    )
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    provenance = {"seed": 7}
    with new_collection(tmp_path / "x", name="n", protocol="p", provenance=provenance) as draft:
        for info, split in zip(classes, SPLITS, strict=True):
            draft.add_class(info, split)
        for item in items:
            draft.add_item(item)
        for query in queries:
            draft.add_query(query)
        draft.skip("bad.png", "truncated")
        (draft.folder / "1.png").write_bytes(b"")
        (draft.folder / "vectors").mkdir()
        np.save(draft.folder / "vectors/image.npy", rows)
    found = read_collection(tmp_path / "x")
    assert found.items == items
    assert tuple(found.classes.values()) == classes
    assert found.queries == queries
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
        ({"splits": SPLITS | {"val": []}}, "not in both: b"),
        ({"classes": [*CLASSES, ClassInfo("d", "d")]}, "not in both: d"),
        ({"classes": [*CLASSES, CLASSES[0]]}, "class ids occur twice.*: a"),
        ({"items": [*ITEMS, ITEMS[0]]}, "item ids occur twice.*: 1"),
        ({"items": [Item("1", "a", "unseen")]}, "of another split: 1"),
        ({"items": [Item("1", "z", "seen")]}, "unknown or of another split: 1"),
        ({"queries": [Query("q", {"9": 1.0})]}, "do not exist: q"),
        ({"queries": [Query("q", {"1": 1.0}, exclude=("9",))]}, "do not exist: q"),
    ],
)
def test_contradictions_are_refused(change, named):
    """Each rule of the format, one at a time; the offender is named."""
    parts = {"items": ITEMS, "classes": CLASSES, "splits": SPLITS, "queries": []}
    check(**parts)
    with pytest.raises(CollectionError, match=named):
        check(**(parts | change))


def test_overlapping_classes_are_never_published(tmp_path):
    """A class that is seen and unseen leaves no folder behind."""

    def publish() -> None:
        with new_collection(tmp_path / "x", name="n", protocol="p", provenance={}) as draft:
            draft.add_class(CLASSES[0], "seen")
            draft.add_class(CLASSES[0], "unseen")

    with pytest.raises(CollectionError, match="split 'unseen'"):
        publish()
    assert list(tmp_path.iterdir()) == []


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
        draft.add_item(Item("1", "a", "seen", image="1.png"))
        (draft.folder / "1.png").write_text("text")
        (draft.folder / "vectors").mkdir()
        np.save(draft.folder / "vectors/image.npy", np.zeros((2, 4), np.float32))
    faults = " ".join(check_collection(tmp_path / "x").faults)
    assert "1.png is not a JPEG" in faults
    assert "image.npy is (2, 4)" in faults


@pytest.mark.parametrize("name", ["none.png", "/etc/hostname", "../other/1.png"])
def test_images_outside_are_refused(tmp_path, name):
    """An item's image is one of the collection's own files, when it is written and read."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other/1.png").write_bytes(b"")

    def write() -> None:
        with new_collection(tmp_path / "x", name="n", protocol="p", provenance={}) as draft:
            for info, split in zip(CLASSES, SPLITS, strict=True):
                draft.add_class(info, split)
            draft.add_item(Item("1", "a", "seen", image=name))

    with pytest.raises(CollectionError, match="does not hold: 1"):
        write()
