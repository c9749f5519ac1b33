"""Tables that somebody else wrote: of the right form, or refused with the place."""

from __future__ import annotations

import json

import pytest

from zscr.data.collection import read_collection
from zscr.errors import CollectionError


def as_item(**change):
    def edit(text):
        first, second, *rest = text.splitlines()
        return "\n".join([first, json.dumps(json.loads(second) | change), *rest])

    return edit


def without(key):
    return lambda text: text.replace(f'"{key}": ', '"x": ')


def as_class(**change):
    def edit(text):
        content = json.loads(text)
        content["classes"][1] |= change
        return json.dumps(content)

    return edit


@pytest.mark.parametrize(
    ("table", "edit", "named"),
    [
        ("items.jsonl", without("split"), r"line 1 is no item \(KeyError\('split'\)\)"),
        ("items.jsonl", as_item(id=7), "line 2 is no item .*id is no string"),
        ("items.jsonl", as_item(image=["a"]), "line 2 is no item .*image is no string"),
        ("items.jsonl", as_item(text="red"), "line 2 is no item .*text is no list"),
        ("items.jsonl", as_item(text=["red", 5]), "line 2 is no item .*text 2 is no string"),
        ("items.jsonl", as_item(attributes={"wing": 5}), "line 2 is no item .*wing is no string"),
        ("items.jsonl", as_item(attributes=[]), "line 2 is no item"),
        ("items.jsonl", lambda text: text + "[]\n", "line 4 is no item"),
        ("items.jsonl", lambda text: text + "{\n", "line 4 is no item"),
        ("items.jsonl", lambda text: text + "[" * 99_999, "line 4 is no item"),
        ("classes.json", without("classes"), r"classes\.json is not in .*'classes'"),
        ("classes.json", without("val"), r"classes\.json is not in .*'val'"),
        ("classes.json", lambda text: "[]", r"classes\.json is not in"),
        ("classes.json", lambda text: text[:-3], r"classes\.json is not in .*line \d"),
        (
            "classes.json",
            lambda text: '{"classes": [], "seen": [5], "val": [], "unseen": []}',
            "not",
        ),
        ("classes.json", as_class(name=None), "class 2 is not in .*name is no string"),
        ("classes.json", as_class(descriptions="red"), "class 2 is not in .*descriptions is no l"),
        ("classes.json", as_class(text_rows=[3, 1]), r"class 2 is not in .*\[3, 1\]"),
        ("classes.json", as_class(text_rows=[0, 1, 2]), "class 2 is not in"),
        ("classes.json", as_class(text_rows=[0.5, 2]), r"class 2 is not in .*\[0\.5, 2\]"),
    ],
)
def test_tables_of_another_form_are_refused(small_collection, reseal, table, edit, named):
    """Whatever their hashes say: one sentence with the file and the line or the class."""
    path = small_collection / table
    path.write_text(edit(path.read_text()))
    reseal(small_collection)
    with pytest.raises(CollectionError, match=named) as refused:
        read_collection(small_collection)
    assert str(path) in str(refused.value)
