"""Tasks: those that follow from classes, those that are stored, and what they are made of."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from zscr.data.check import check_collection
from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.data.records import Query
from zscr.data.relevance import ByItem, ByLabel, Truth
from zscr.data.summary import summarise
from zscr.data.task_files import TaskInfo, TaskRow
from zscr.data.tasks import gallery_queries, load_task, query_labels, task_names
from zscr.errors import ArtefactError, CollectionError

SPLIT = {"cat": "unseen", "dog": "seen", "ant": "unseen", "elk": "val"}  # the order of the classes


def row(query, split="unseen", group="g", **relevance):
    return TaskRow(query, split, group, **relevance)


@pytest.fixture
def zoo(tmp_path):
    """Return a function that makes a collection of four classes with the tasks it is given.

    Of each class there is a red photo `<class>1`, a blue one `<class>2` and a sketch `<class>3`.
    """

    def make(*tasks, vectors=()):
        with new_collection(tmp_path / "zoo", name="zoo", protocol="zoo's", provenance={}) as draft:
            Image.new("RGB", (4, 4)).save(draft.folder / "reference.png")
            for name in ("ant", "cat", "dog", "elk"):  # the order of the items
                for i, colour in enumerate(("red", "blue", "grey"), 1):
                    file = f"{name}{i}.png"
                    Image.new("RGB", (4, 4), colour).save(draft.folder / file)
                    files = (file, None) if i < 3 else (None, file)
                    texts = (f"{colour} {name}",) if i < 3 else ()
                    draft.add_item(
                        Item(f"{name}{i}", SPLIT[name], name, *files, texts, {"colour": colour})
                    )
            for number, (name, split) in enumerate(SPLIT.items()):
                rows = (2 * number, 2 * number + 2) if "text" in vectors else None
                draft.add_class(ClassInfo(name, name.upper(), (f"a {name}",), {}, rows), split)
            for name in vectors:
                draft.save_vectors(name, np.arange(36, dtype=np.float32).reshape(-1, 3))
            for info, rows in tasks:
                draft.add_task(info, rows)
        return read_collection(tmp_path / "zoo")

    return make


def grades(task):
    """Return (Q, G) grades of a task's gallery in its own order."""
    order = np.tile(np.arange(len(task.gallery)), (len(task.queries), 1))
    return task.relevance.grades(slice(0, len(task.queries)), order)


def test_a_protocol_may_say_the_figures_of_a_task_that_follows(zoo):
    """Its queries are those of every collection with sketches; they are not stored."""
    info = TaskInfo("sketch", by="class", protocol="published", figures=("Prec@2",), missing=3)
    said = zoo((info, ()))
    assert task_names(said) == ["text", "sketch"]
    task = load_task(said, "sketch", "unseen")
    assert (task.figures, task.missing) == (("Prec@2",), 3)
    assert task.protocol == "published; 3 of its images and queries are missing"
    assert [query.id for query in task.queries] == ["cat3", "ant3"]
    assert not (said.folder / "tasks").exists()
    assert check_collection(said.folder).faults == ()


def test_texts_of_classes_ask_for_their_images(zoo):
    """Class after class in the split's order, descriptions before captions; photos are sought."""
    task = load_task(zoo(), "text", "unseen")
    assert [(query.id, query.text) for query in task.queries] == [
        ("cat#0", "a cat"),
        ("cat#1", "red cat"),
        ("cat#2", "blue cat"),
        ("ant#0", "a ant"),
        ("ant#1", "red ant"),
        ("ant#2", "blue ant"),
    ]
    assert task.groups == ("cat",) * 3 + ("ant",) * 3
    assert task.gallery == ("cat1", "cat2", "ant1", "ant2")
    assert (task.field, task.protocol, task.split) == ("image", "zoo's", "unseen")
    assert grades(task).tolist() == [[1, 1, 0, 0]] * 3 + [[0, 0, 1, 1]] * 3


def test_sketches_ask_for_images_of_their_class(zoo):
    """Each with its absolute path, as itself; sketches are not in the gallery."""
    found = zoo()
    task = load_task(found, "sketch", "unseen")
    assert task.queries == (
        Query("cat3", sketch=found.folder / "cat3.png"),
        Query("ant3", sketch=found.folder / "ant3.png"),
    )
    assert task.queries[0].sketch.is_absolute()
    assert task.gallery == ("cat1", "cat2", "ant1", "ant2")
    assert grades(task).tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]
    assert query_labels(found, task) == ["cat3.png", "ant3.png"]


def test_published_vectors_stand_for_texts_and_images(zoo):
    """A class's rows ask; every item is sought, with its own row, in the split's order."""
    found = zoo(vectors=("text", "image"))
    task = load_task(found, "text", "unseen")
    assert [query.id for query in task.queries] == ["cat#0", "cat#1", "ant#0", "ant#1"]
    assert [query.vector[0] for query in task.queries] == [0, 3, 12, 15]
    assert task.fields == {"vector"}
    assert task.field == "vector"
    assert task.gallery == ("cat1", "cat2", "cat3", "ant1", "ant2", "ant3")
    sought = gallery_queries(found, task)
    assert [(query.id, query.vector[0]) for query in sought] == [
        *(("cat1", 9), ("cat2", 12), ("cat3", 15)),
        *(("ant1", 0), ("ant2", 3), ("ant3", 6)),
    ]
    assert query_labels(found, task) == ["CAT, text 1", "CAT, text 2", "ANT, text 1", "ANT, text 2"]


def test_one_published_text_a_class_is_told_by_the_name_alone(tmp_path):
    """There is nothing to number."""
    with new_collection(tmp_path / "x", name="x", protocol="p", provenance={}) as draft:
        for number, name in enumerate("ab"):
            draft.add_class(ClassInfo(name, f"the {name}", text_rows=(number, number + 1)), "seen")
            draft.add_item(Item(name, "seen", name))
        draft.save_vectors("image", np.eye(2))
        draft.save_vectors("text", np.eye(2))
    found = read_collection(tmp_path / "x")
    assert query_labels(found, load_task(found, "text", "seen")) == ["the a", "the b"]


EDITS = TaskInfo("edits", protocol="edits'", figures=("Recall@1", "mAP"))
BLUE = Query("blue", "the same in blue", "cat1.png")
NONE = Query("none", "what ants see", "reference.png")


def test_a_task_by_item_is_read_back(zoo):
    """Queries of a text and an image, graded, with an exclusion and a subset, in two splits."""
    rows = [
        row(BLUE, truth=Truth({"cat2": 2, "ant2": 0.5}, ("cat1",)), group="blue"),
        row(NONE, truth=Truth({"ant1": 1}, (), ("ant1", "cat2"))),
        row(Query("elk", "other", "elk1.png"), "val", truth=Truth({"elk2": 1})),
    ]
    found = zoo((EDITS, rows))
    assert task_names(found) == ["text", "sketch", "edits"]
    task = load_task(found, "edits", "unseen")
    assert task.queries == (
        Query("blue", "the same in blue", found.folder / "cat1.png"),
        Query("none", "what ants see", found.folder / "reference.png"),
    )
    assert (task.protocol, task.figures) == ("edits'", ("Recall@1", "mAP"))
    assert (task.groups, task.fields) == (("blue", "g"), {"text", "image"})
    assert isinstance(task.relevance, ByItem)
    assert task.relevance.truths == [row.truth for row in rows[:2]]
    assert task.gallery == ("cat1", "cat2", "ant1", "ant2")
    nan = np.nan
    np.testing.assert_array_equal(grades(task), [[nan, 2, 0, 0.5], [nan, 0, 1, nan]])
    assert query_labels(found, task)[0] == "cat1.png: the same in blue"
    assert load_task(found, "edits", "val").gallery == ("elk1", "elk2")
    assert check_collection(found.folder).faults == ()


def test_a_task_by_class_and_attribute_is_read_back(zoo):
    """Relevant are the items of the class that have the colour, and no others."""
    info = TaskInfo("coloured", by="class", attribute="colour")
    asked = [("cat", "red"), ("ant", "blue"), ("cat", "blue")]
    rows = [row(Query(f"{c}-{v}", v, f"{c}1.png"), class_id=c, value=v, group=c) for c, v in asked]
    task = load_task(zoo((info, rows)), "coloured", "unseen")
    assert isinstance(task.relevance, ByLabel)
    assert task.gallery == ("cat1", "cat2", "ant1", "ant2")
    assert grades(task).tolist() == [[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]


def test_a_class_and_a_value_do_not_run_into_each_other(tmp_path):
    """Class 1 of size 12 is not class 11 of size 2, though both read 112."""
    asked = {"a": ("1", "12"), "b": ("11", "2")}
    with new_collection(tmp_path / "c", name="c", protocol="", provenance={}) as draft:
        for name, (class_id, size) in asked.items():
            draft.add_class(ClassInfo(class_id, class_id), "unseen")
            draft.add_item(Item(name, "unseen", class_id, attributes={"size": size}))
        draft.save_vectors("image", np.eye(2, dtype=np.float32))
        rows = [row(Query(n, "it"), class_id=c, value=size) for n, (c, size) in asked.items()]
        draft.add_task(TaskInfo("sized", by="class", attribute="size"), rows)
    task = load_task(read_collection(tmp_path / "c"), "sized", "unseen")
    assert grades(task).tolist() == [[1, 0], [0, 1]]


def test_a_task_by_class_can_seek_sketches(zoo):
    """The gallery graph is then run on the sketches' files."""
    info = TaskInfo("draw", "sketch", by="class")
    found = zoo((info, [row(Query("q", image="ant1.png"), class_id="ant")]))
    task = load_task(found, "draw", "unseen")
    assert (task.field, task.gallery) == ("sketch", ("cat3", "ant3"))
    assert grades(task).tolist() == [[0, 1]]
    assert gallery_queries(found, task) == [
        Query("cat3", image=found.folder / "cat3.png"),
        Query("ant3", image=found.folder / "ant3.png"),
    ]


def test_a_gallery_is_narrowed_and_widened(zoo):
    """An image that cannot be used leaves the task; the seen classes' images can join it."""
    found = zoo()
    task = load_task(found, "text", "unseen").narrowed([3, 0])
    assert task.gallery == ("ant2", "cat1")
    assert grades(task)[0].tolist() == [0, 1]
    wide = task.widened(load_task(found, "text", "seen"))
    assert wide.gallery == ("ant2", "cat1", "dog1", "dog2")
    assert grades(wide)[0].tolist() == [0, 1, 0, 0]
    assert [query.image.name for query in gallery_queries(found, wide)] == [
        f"{name}.png" for name in wide.gallery
    ]


def test_collections_without_classes_have_stored_tasks_alone(tmp_path):
    """Such as CIRR: images in splits, and queries that name what is relevant."""
    with new_collection(tmp_path / "x", name="x", protocol="p", provenance={}) as draft:
        for name in "abc":
            (draft.folder / f"{name}.png").write_bytes(b"")
            draft.add_item(Item(name, "val", image=f"{name}.png", texts=(f"says {name}",)))
        truth = Truth({"c": 1}, ("a",))
        draft.add_task(TaskInfo("text"), [row(Query("1", "c"), "val", truth=truth)])
    found = read_collection(tmp_path / "x")
    assert task_names(found) == ["text"]
    task = load_task(found, "text", "val")
    assert task.gallery == ("a", "b", "c")
    np.testing.assert_array_equal(grades(task), [[np.nan, 0, 1]])


def test_classes_without_texts_ask_nothing(tmp_path):
    """A collection of images and their classes alone has no task."""
    with new_collection(tmp_path / "x", name="x", protocol="p", provenance={}) as draft:
        (draft.folder / "a.png").write_bytes(b"")
        draft.add_class(ClassInfo("a", "a"), "seen")
        draft.add_item(Item("a", "seen", "a", "a.png"))
    with pytest.raises(CollectionError, match=r"has no task 'text'; it has none at all$"):
        load_task(read_collection(tmp_path / "x"), "text", "seen")


def test_what_is_not_there_is_named(zoo):
    """An unknown task lists those that exist; a split in which a task asks nothing is refused."""
    found = zoo((EDITS, [row(BLUE, truth=Truth({"cat2": 1}))]))
    with pytest.raises(CollectionError, match=r"no task 'edit'; it has text, sketch, edits$"):
        load_task(found, "edit", "val")
    with pytest.raises(CollectionError, match="0 queries and 2 items .* in split 'val'"):
        load_task(found, "edits", "val")
    with pytest.raises(CollectionError, match="0 queries and 0 items .* in split 'test'"):
        load_task(found, "text", "test")


def test_damaged_queries_are_found_when_they_are_read(zoo):
    """One flipped byte of a task's file, or a list of tasks that is gone."""
    found = zoo((EDITS, [row(BLUE, truth=Truth({"cat2": 1}))]))
    path = found.folder / "tasks/edits.jsonl"
    path.write_text(path.read_text().replace("in blue", "in blur"))
    with pytest.raises(ArtefactError, match=r"edits\.jsonl is damaged"):
        load_task(read_collection(found.folder), "edits", "unseen")
    (found.folder / "tasks.json").unlink()
    with pytest.raises(ArtefactError, match=r"lacks tasks\.json"):
        read_collection(found.folder)


def test_deep_check_decodes_what_queries_name(zoo, reseal):
    """Also an image that is no item's."""
    found = zoo((EDITS, [row(NONE, truth=Truth({"ant1": 1}))]))
    assert check_collection(found.folder).images == 13
    (found.folder / "reference.png").write_bytes(b"no image")
    reseal(found.folder)
    [fault] = check_collection(found.folder).faults
    assert "reference.png is not a JPEG" in fault


def test_published_vectors_of_no_class_ask_nothing(small_collection, reseal):
    """The task `text` needs the rows of some class; counting and checking need no such task."""
    (small_collection / "vectors").mkdir()
    np.save(small_collection / "vectors/text.npy", np.zeros((3, 2), np.float32))
    reseal(small_collection)
    found = read_collection(small_collection)
    assert task_names(found) == []
    assert summarise(found).tasks == ()
    table = small_collection / "classes.json"
    for rows, tasks in (([1, 1], []), ([2, 3], ["text"]), ([2, 4], ["text"])):
        content = json.loads(table.read_text())
        content["classes"][0]["text_rows"] = rows
        table.write_text(json.dumps(content))
        reseal(small_collection)
        assert task_names(read_collection(small_collection)) == tasks
    with pytest.raises(CollectionError, match="1 classes have text_rows beyond the 3 .*: seen"):
        summarise(read_collection(small_collection))
