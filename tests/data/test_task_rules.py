"""Stored tasks that contradict their collection are refused, when written and when read."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from zscr.data.check import check_collection
from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.data.records import Query, Term
from zscr.data.relevance import Truth
from zscr.data.task_files import TaskInfo, TaskRow
from zscr.data.tasks import load_task
from zscr.errors import CollectionError

ITEM, CLASS = TaskInfo("asked"), TaskInfo("asked", by="class")
COLOUR = TaskInfo("asked", by="class", attribute="colour")
OWN = TaskInfo("asked", by="class", within="class", zeros=True)
A = Query("q", "text", "a.png")


def row(query=A, split="unseen", **relevance):
    return TaskRow(query, split, "g", **relevance)


def truth(relevant, *rest):
    return row(truth=Truth(relevant, *rest))


def write(path, info, *rows):
    """Publish items a and b of an unseen class, c of a seen one, and d that is only a sketch."""
    with new_collection(path, name="n", protocol="p", provenance={}) as draft:
        for name, split in (("one", "unseen"), ("two", "seen"), ("bare", "unseen")):
            draft.add_class(ClassInfo(name, name), split)
        for name in "abcd":
            Image.new("RGB", (4, 4)).save(draft.folder / f"{name}.png")
        colours = {"a": {"colour": "red"}, "b": {"colour": "blue"}}
        for name in "ab":
            draft.add_item(Item(name, "unseen", "one", f"{name}.png", attributes=colours[name]))
        draft.add_item(Item("c", "seen", "two", "c.png"))
        draft.add_item(Item("d", "unseen", "one", None, "d.png"))
        draft.add_task(info, rows)


TWO = TaskInfo("asked", galleries={"x": ("a", "b"), "y": ("a",)})
SUM = Query("sum", terms=(Term(A), Term(Query("q", "other", "a.png"))))
SUM_OF_LOST = Query("lost", terms=(Term(A), Term(Query("q", "other", "z.png"))))
GOOD = truth({"b": 1.0}, ("a",))


@pytest.mark.parametrize(
    ("info", "rows", "named"),
    [
        (ITEM, [], "task 'asked' has no queries"),
        (ITEM, [GOOD, GOOD], "query ids of task 'asked' occur twice; rename them: q"),
        (ITEM, [GOOD, row(Query("z", "text"), truth=GOOD.truth)], "fill image and text .*: z"),
        (ITEM, [row(split="test", truth=GOOD.truth)], "are of no split.*: q"),
        (ITEM, [row(Query("q", "t", "/a.png"), truth=GOOD.truth)], "does not hold.*: q"),
        (ITEM, [row(Query("q", "t", "../x/a.png"), truth=GOOD.truth)], "does not hold.*: q"),
        (ITEM, [row(Query("q", sketch="none.png"), truth=GOOD.truth)], "does not hold.*: q"),
        (
            ITEM,
            [row(Query("q", image="a.png", instead_of="red"), truth=GOOD.truth)],
            r"what a text replaces \(instead_of\) and have no text.*: q",
        ),
        (ITEM, [row()], "do not list relevant items alone"),
        (ITEM, [row(truth=GOOD.truth, class_id="one")], "do not list relevant items alone"),
        (ITEM, [truth({"z": 1})], "name items that do not exist.*: q"),
        (ITEM, [truth({"b": 1}, ("z",))], "name items that do not exist.*: q"),
        (ITEM, [truth({"b": 1}, (), ("b", "z"))], "name items that do not exist.*: q"),
        (ITEM, [truth({"b": 1, "c": 1})], "name items of another split.*: q"),
        (ITEM, [truth({"b": 1}, ("c",))], "name items of another split.*: q"),
        (ITEM, [row(split="seen", truth=GOOD.truth)], "name items of another split.*: q"),
        (ITEM, [truth({"b": 0})], "not above 0 and finite.*: q"),
        (ITEM, [truth({"a": 1, "b": -1})], "not above 0 and finite.*: q"),
        (ITEM, [truth({"b": float("inf")})], "not above 0 and finite.*: q"),
        (ITEM, [truth({"b": float("nan")})], "not above 0 and finite.*: q"),
        (ITEM, [truth({"b": 1e-60})], "not above 0 and finite.*: q"),
        (ITEM, [truth({"b": 1, "d": 1})], "without image, which is retrieved.*: q"),
        (ITEM, [truth({})], "nothing relevant left"),
        (ITEM, [truth({"a": 1}, ("a",))], "nothing relevant left.*: q"),
        (ITEM, [truth({"a": 1}, (), ("b",))], "nothing relevant left.*: q"),
        (CLASS, [GOOD], "do not name a class alone"),
        (CLASS, [row(class_id="one", value="red")], "do not name a class alone"),
        (CLASS, [row()], "ask for a class that is unknown.*: q"),
        (CLASS, [row(class_id="two")], "unknown or of another split.*: q"),
        (CLASS, [row(class_id="bare")], "ask for what no item with image is.*: q"),
        (COLOUR, [row(class_id="one")], "do not name a class and a value alone"),
        (COLOUR, [row(class_id="one", value="green")], "ask for what no item with image is"),
        (
            COLOUR,
            [row(class_id="one", value="red", exclude=("a",))],
            "ask for what no item with im",
        ),
        (CLASS, [row(class_id="one", exclude=("z",))], "leave out items that do not exist .*: q"),
        (CLASS, [row(class_id="one", exclude=("c",))], "or are of another split.*: q"),
        (ITEM, [row(truth=GOOD.truth, exclude=("a",))], "do not list relevant items alone"),
        (OWN, [row(class_id="bare")], "search the images of their class, of which there are none"),
        (
            TaskInfo("asked", within="class"),
            [GOOD],
            "within a class by 'item'; use class",
        ),
        (TaskInfo("asked", by="class", within="x"), [GOOD], "a gallery within 'x'; use class"),
        (TaskInfo("../asked"), [GOOD], "a task is named '../asked'"),
        (TaskInfo("text"), [GOOD], "the task 'text' follows from the classes"),
        (TaskInfo("sketch", by="class", zeros=True), [], "'sketch' follows from the classes; say"),
        (TaskInfo("asked", field="text"), [GOOD], "field 'text'; use image or sketch"),
        (TaskInfo("asked", by="mood"), [GOOD], "relevance by 'mood'; use item or class"),
        (TaskInfo("asked", attribute="colour"), [GOOD], "'colour' beside relevance by item"),
        (TaskInfo("asked", figures=()), [GOOD], r"has the figures \(\)"),
        (TaskInfo("asked", figures=("mAP", 5)), [GOOD], r"has the figures \('mAP', 5\)"),
        (TaskInfo("asked", galleries={"x": ("a",)}), [GOOD], "nothing relevant left.*: q"),
        (
            TaskInfo("asked", galleries={"x": ("b", "b")}),
            [GOOD],
            "items of the gallery 'x'.* twice",
        ),
        (TaskInfo("asked", galleries={"x": ("b", "z")}), [GOOD], "gallery 'x'.*do not exist.*: z"),
        (TaskInfo("asked", galleries={"x": ("b", "d")}), [GOOD], "'x'.* without image.*: d"),
        (TaskInfo("asked", galleries={"x": ()}), [GOOD], "'x' of task 'asked' has no items"),
        (TWO, [GOOD], "search none of the galleries x, y.*: q"),
        (TWO, [row(truth=GOOD.truth, gallery="z")], "search none of the galleries x, y.*: q"),
        (TWO, [row(truth=GOOD.truth, gallery="y")], "nothing relevant left.*: q"),
        (ITEM, [row(truth=GOOD.truth, gallery="x")], "name a gallery, but search the only one"),
        (TaskInfo("asked", server="cirr"), [GOOD], "list relevant items, which a server alone kno"),
        (TaskInfo("asked", server="mine"), [GOOD], "the server 'mine'; use circo or cirr"),
        (TaskInfo("asked", by="class", server="cirr"), [row(class_id="one")], "'class'; use item"),
        (ITEM, [GOOD, row(SUM, truth=GOOD.truth)], "fill image and text as the first.*: sum"),
        (ITEM, [row(SUM_OF_LOST, truth=GOOD.truth)], "does not hold.*: lost"),
    ],
)
def test_contradictions_are_never_published(tmp_path, info, rows, named):
    """Each rule, one at a time; the offender is named and no folder is left."""
    with pytest.raises(CollectionError, match=named):
        write(tmp_path / "x", info, *rows)
    assert list(tmp_path.iterdir()) == []


def test_a_query_of_nothing_but_an_image_is_enough(tmp_path):
    """The rules above let sound tasks pass."""
    write(tmp_path / "x", ITEM, row(Query("q", image="a.png"), truth=Truth({"a": 1, "b": 1e-30})))
    assert load_task(read_collection(tmp_path / "x"), "asked", "unseen").fields == {"image"}


def test_queries_without_an_answer_are_those_of_protocols_that_count_them(tmp_path):
    """By class and by item; what is written is read again, exclusions and galleries too."""
    green = TaskInfo("asked", by="class", attribute="colour", within="class", zeros=True)
    write(tmp_path / "x", green, row(class_id="one", value="green", exclude=("b",)))
    found = read_collection(tmp_path / "x")
    task = load_task(found, "asked", "unseen")
    assert (found.tasks["asked"], task.zeros) == (green, True)
    assert task.gallery == ("a", "b")
    [grades] = task.relevance.grades(slice(0, 1), np.array([[0, 1]]))
    assert grades.tolist() == [0, pytest.approx(np.nan, nan_ok=True)]
    assert [part[1].tolist() for part in task.relevance.parts()] == [[0, 1]]
    nothing = TaskInfo("asked", zeros=True)
    write(tmp_path / "y", nothing, truth({}))
    assert load_task(read_collection(tmp_path / "y"), "asked", "unseen").zeros


def test_two_tasks_of_one_name_are_refused(tmp_path, reseal):
    """The second would hide the first."""
    write(tmp_path / "x", ITEM, GOOD)
    path = tmp_path / "x/tasks.json"
    path.write_text(json.dumps(json.loads(path.read_text()) * 2))
    reseal(tmp_path / "x")
    with pytest.raises(CollectionError, match="1 task names occur twice; rename one: asked"):
        read_collection(tmp_path / "x")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"exclude": ["b"]}, "nothing relevant left"),
        ({"relevant": {"b": float("nan")}}, "NaN is no number of JSON"),
        ({"relevant": {"b": -1}}, "not above 0 and finite"),
        ({"exclude": [["b"]]}, "exclude\\[0\\] is a list of 1"),
        ({"relevant": {"b": "much"}}, "line 1 is no query"),
        ({"relevant": ["b"]}, "line 1 is no query"),
        ({"image": "../other.png"}, "image that the collection does not hold"),
        ({"image": 5}, "image is no string"),
        ({"split": ["unseen"]}, "split is no string"),
        ({"text": None, "image": None}, "line 1 is no query .*is empty"),
        ({"terms": []}, "line 1 is no query .*terms"),
        ({"text": None, "image": None, "terms": [{"weight": 1, "text": 5}]}, "terms.0..text is 5"),
        ({"gallery": ["x"]}, "gallery is no string"),
    ],
)
def test_what_others_wrote_is_checked_when_it_is_read(tmp_path, reseal, change, named):
    """Right checksums prove nothing about a collection that somebody else made."""
    Image.new("RGB", (4, 4)).save(tmp_path / "other.png")
    write(tmp_path / "x", ITEM, GOOD)
    path = tmp_path / "x/tasks/asked.jsonl"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    reseal(tmp_path / "x")
    found = read_collection(tmp_path / "x")
    with pytest.raises(CollectionError, match=named):
        load_task(found, "asked", "unseen")
    [fault] = check_collection(tmp_path / "x").faults
    assert "asked" in fault


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{}", None),
        ("5", "is no list of tasks"),
        ('[{"name": "x"}]', "is no list of tasks"),
        ('[{"name": 5, "field": "image", "relevance": {"by": "item"}, "figures": ["mAP"]}]', "5"),
    ],
)
def test_lists_of_something_else_are_refused(tmp_path, reseal, content, named):
    """One sentence, no traceback; nothing listed is nothing asked."""
    write(tmp_path / "x", ITEM, GOOD)
    (tmp_path / "x/tasks.json").write_text(content)
    reseal(tmp_path / "x")
    if named is None:
        assert read_collection(tmp_path / "x").tasks == {}
        return
    with pytest.raises(CollectionError, match=named):
        read_collection(tmp_path / "x")
