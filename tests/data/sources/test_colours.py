"""Products asked for in another colour: what is relevant, what is never asked, the same draw."""

from __future__ import annotations

from itertools import product

import pytest
from PIL import Image

from zscr.data.check import check_collection
from zscr.data.collection import read_collection
from zscr.data.records import Item
from zscr.data.sources.colours import colour_rows
from zscr.data.sources.titles import convert_titles
from zscr.data.tasks import load_task, task_names, task_rows

WORN_BY = {"m": "Brand Men Round Neck", "w": "Brand Women's Slim", "n": "Brand Classic"}
TYPES = {"s": "Shirts", "t": "Ties"}
COLOUR_OF = {"r": "Red", "b": "Blue", "o": "Olive"}  # the last is none of the eight


def item(name):
    """Return a product: `mrs2` is the second red shirt for men."""
    worn_by, colour, kind, _ = name
    about = {"articleType": TYPES[kind], "baseColour": COLOUR_OF[colour]}
    return Item(name, "val", None, f"{name}.jpg", None, (WORN_BY[worn_by],), about)


def asked(names, **settings):
    """Return query id -> (text, what it replaces, relevant, left out)."""
    rows = [row for _, row in colour_rows([item(n) for n in names], "val", 7, **settings)]
    assert all(row.group == row.query.id for row in rows)
    return {
        r.query.id: (r.query.text, r.query.instead_of, {*r.truth.relevant}, r.truth.exclude)
        for r in rows
    }


def test_relevant_is_the_same_type_for_the_same_people_in_the_new_colour():
    """By hand: no other type, no other people, no colour beyond the eight, no unworn product."""
    found = asked(["mrs1", "mrs2", "mbs1", "mbs2", "wbs1", "mbt1", "mos1", "nrs1", "nbs1"])
    assert found == {
        "mrs1-blue": ("blue", "red", {"mbs1", "mbs2"}, ("mrs1",)),
        "mrs2-blue": ("blue", "red", {"mbs1", "mbs2"}, ("mrs2",)),
        "mbs1-red": ("red", "blue", {"mrs1", "mrs2"}, ("mbs1",)),
        "mbs2-red": ("red", "blue", {"mrs1", "mrs2"}, ("mbs2",)),
    }


def test_queries_are_the_same_ones_whatever_the_order_of_the_products():
    """A limit takes the first of one order, which hangs on the seed and the ids alone."""
    names = ["".join(each) for each in product("mw", "rb", "st", "12")]
    assert len(asked(names)) == 16
    assert [*asked(names, count=5)] == [*asked(names[::-1], count=5)] == [*asked(names)][:5]


@pytest.fixture(scope="session")
def wardrobe(tmp_path_factory):
    """Convert a shop of five types, each in three colours for two kinds of people."""
    folder, lines = tmp_path_factory.mktemp("wardrobe"), ["id,title,articleType,baseColour"]
    (folder / "images").mkdir()
    rows = product(range(5), ("Belts", "Shirts", "Shoes", "Socks", "Ties"), "mw", COLOUR_OF)
    for number, (_, kind, worn_by, colour) in enumerate(rows):
        lines.append(f"{number},{WORN_BY[worn_by]} {number},{kind},{COLOUR_OF[colour]}")
        Image.new("RGB", (4, 4)).save(folder / f"images/{number}.jpg")
    (folder / "products.csv").write_text("\n".join(lines) + "\n")
    convert_titles(folder, folder / "out", held_out=1, galleries={"unseen": 60, "val": 50})
    return read_collection(folder / "out")


def test_queries_of_seen_and_of_unseen_types_are_told_apart(wardrobe):
    """Each kind has a task of its own over the same gallery; what a text replaces is read back."""
    assert task_names(wardrobe)[3:] == ["colour", "colour-seen-types", "colour-unseen-types"]
    whole, *kinds = (load_task(wardrobe, name, "unseen") for name in task_names(wardrobe)[3:])
    assert {query.id for query in whole.queries} == {q.id for k in kinds for q in k.queries}
    assert whole.fields == {"image", "text"}
    assert {(q.text, q.instead_of) for q in whole.queries} == {("red", "blue"), ("blue", "red")}
    assert whole.figures == ("R@10", "R@50", "mAP")
    type_of = {one.id: one.attributes["articleType"] for one in wardrobe.items}
    trained_on = {type_of[one.id] for one in wardrobe.split("seen")}
    for name, seen in (("colour-seen-types", True), ("colour-unseen-types", False)):
        rows = task_rows(wardrobe, name, ["unseen"])
        assert {type_of[row.truth.exclude[0]] in trained_on for row in rows} == {seen}
    assert check_collection(wardrobe.folder).faults == ()
