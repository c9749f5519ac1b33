"""Answers as table, JSON Lines and CSV: exact outputs, streaming, and hostile texts."""

import csv
import io
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.answers.answer import Answer, Hit
from zscr.infer.answers.writers import write_answers

ANSWERS = (
    Answer(
        Query("1", text="a red bird"),
        (
            Hit(1, "cardinal/1", 0.87654321, "cardinal", "images/1.jpg", True),
            Hit(2, "tern/22", -0.25, "tern", None, False),
        ),
        ("cut", "1 unknown: x"),
        "onnx, cpu",
    ),
    Answer(Query("x", text='says "hi", Vögel', image=Path("a/b.jpg")), (Hit(1, "x", 0.5),)),
    Answer(Query("4", sketch="s.png"), ()),
)


def written(format, answers=ANSWERS, **kwargs):
    out = io.StringIO()
    write_answers(iter(answers), format, out, **kwargs)
    return out.getvalue()


def test_jsonl():
    """One object a query; what is not known is absent, scores have six decimals."""
    assert written("jsonl") == (
        '{"id": "1", "text": "a red bird", "hits": [{"rank": 1, "id": "cardinal/1", '
        '"score": 0.876543, "class": "cardinal", "image": "images/1.jpg", "correct": true}, '
        '{"rank": 2, "id": "tern/22", "score": -0.25, "class": "tern", "correct": false}], '
        '"notes": ["cut", "1 unknown: x"], "ran": "onnx, cpu"}\n'
        '{"id": "x", "text": "says \\"hi\\", Vögel", "image": "a/b.jpg", '
        '"hits": [{"rank": 1, "id": "x", "score": 0.5}]}\n'
        '{"id": "4", "sketch": "s.png", "hits": []}\n'
    )


def test_csv():
    """One row a hit, and a row for a query that found nothing."""
    assert written("csv") == (
        '"query_id","query_text","query_image","query_sketch",'
        '"rank","id","score","class","image","correct","notes","ran",'
        '"above_unrelated","nothing","error","query_instead_of","composition"\n'
        '"1","a red bird","","",1,"cardinal/1",0.876543,"cardinal","images/1.jpg","true",'
        '"cut; 1 unknown: x","onnx, cpu","","","","",""\n'
        '"1","a red bird","","",2,"tern/22",-0.25,"tern","","false","cut; 1 unknown: x",'
        '"onnx, cpu","","","","",""\n'
        '"x","says ""hi"", Vögel","a/b.jpg","",1,"x",0.5,"","","","","","","","","",""\n'
        '"4","","","s.png","","","","","","","","","","","","",""\n'
    )


def test_table():
    """Columns align within an answer and lines carry no trailing space."""
    assert written("table") == (
        "1: a red bird  (cut; 1 unknown: x)\n"
        "    1   0.8765  cardinal/1  cardinal  right\n"
        "    2  -0.2500  tern/22     tern      wrong\n"
        "\n"
        'x: says "hi", Vögel + image a/b.jpg\n'
        "    1   0.5000  x\n"
        "\n"
        "4: sketch s.png\n"
        "    nothing found\n"
    )


def test_hits_are_ranked_among_unrelated_queries():
    """Where that is known: a share with four decimals, and whether nothing looks like the query."""
    hits = (Hit(1, "a", 0.5, "wren", correct=True, above_unrelated=2 / 3), Hit(2, "bcd", 0.25))
    known = [Answer(Query("1", text="x"), hits, ("cut",), nothing=True)]
    [row] = [json.loads(line) for line in written("jsonl", known).splitlines()]
    assert [*row] == ["id", "text", "hits", "nothing", "notes"]
    assert row["nothing"] is True
    assert [hit.get("above_unrelated") for hit in row["hits"]] == [0.6667, None]
    rows = list(csv.DictReader(io.StringIO(written("csv", known))))
    assert [(r["above_unrelated"], r["nothing"]) for r in rows] == [
        ("0.6667", "true"),
        ("", "true"),
    ]
    assert written("table", known).splitlines() == [
        "1: x  (nothing looks like it: 33% of unrelated queries find as much; cut)",
        "    1   0.5000  a    wren   67%  right",
        "    2   0.2500  bcd",
    ]
    page = written("html", known)
    assert re.findall(r"<span title=[^>]*>(\d+%)</span>", page) == ["67%"]
    assert "nothing looks like it: 33% of unrelated queries find as much · cut" in page
    none = [Answer(Query("1", text="x"), (), ("1 of 1 left out",), nothing=True)]
    assert written("table", none).startswith("1: x  (nothing looks like it; 1 of 1 left out)\n")


def test_what_composed_a_query_is_told():
    """In each format, with what the text replaces: by its name, which can be asked for again."""
    query = Query("1", text="in red", image="a.jpg", instead_of="in blue", compose="product")
    told = [Answer(query, (Hit(1, "x", 0.5),), ("cut",), composition="product")]
    row = json.loads(written("jsonl", told))
    assert [*row] == ["id", "text", "instead_of", "image", "hits", "composition", "notes"]
    assert (row["instead_of"], row["composition"]) == ("in blue", "product")
    (row,) = csv.DictReader(io.StringIO(written("csv", told)))
    assert (row["query_instead_of"], row["composition"]) == ("in blue", "product")
    first = written("table", told).splitlines()[0]
    assert first == "1: in red instead of in blue + image a.jpg  (composed by product; cut)"
    assert "<p>query 1 · composed by product · cut</p>" in written("html", told)


REFUSED = Answer(Query("7", text="🐕"), (), error="query 7 has\x1b no word")


def test_what_was_not_answered_says_so_in_its_place():
    """In each format: the reason, in a row of its own, with no hit."""
    row = json.loads(written("jsonl", [REFUSED]))
    assert row == {"id": "7", "text": "🐕", "hits": [], "error": "query 7 has\x1b no word"}
    (row,) = csv.DictReader(io.StringIO(written("csv", [REFUSED])))
    assert (row["query_id"], row["id"], row["error"]) == ("7", "", "query 7 has\x1b no word")
    assert written("table", [REFUSED]) == "7: 🐕\n    not answered: query 7 has\\x1b no word\n"
    page = written("html", [REFUSED, *ANSWERS])
    assert page.count("<p>not answered: query 7 has\ufffd no word</p>") == 1
    assert "4 queries, 3 results, 0 images; 3 could not be shown; 1 not answered; 1 of 2" in page


def test_queries_without_a_name_are_told_by_what_they_are():
    """An open image by its size; of a vector nothing can be written but the query's id."""
    opened = Answer(Query("1", image=Image.new("RGB", (30, 20))), ())
    vector = Answer(Query("2", vector=np.zeros(3, np.float32)), ())
    rows = [json.loads(line) for line in written("jsonl", [opened, vector]).splitlines()]
    assert rows == [{"id": "1", "image": "30x20 pixels", "hits": []}, {"id": "2", "hits": []}]
    assert written("table", [opened, vector]).splitlines()[::3] == [
        "1: image 30x20 pixels",
        "2: a vector",
    ]


def test_table_fits_the_terminal_and_cannot_take_it_over():
    """Long ids keep both ends within 100 columns; escape sequences are printed as marks."""
    known = {"correct": False, "above_unrelated": 1.0}
    hit = Hit(10, "folder/" + "x" * 90 + "/last.jpg", -0.5, "c" * 80, **known)
    query = Query("\x1b", text="\x1b[2Jboo\u202e", image="\x1b.jpg")
    lines = written("table", [Answer(query, (hit,), ("\x07",))]).splitlines()
    assert lines[0] == r"\x1b: \x1b[2Jboo\u202e + image \x1b.jpg  (\x07)"
    assert len(lines[1]) <= 100
    assert "folder/" in lines[1]
    assert "/last.jpg" in lines[1]


@pytest.mark.parametrize("format", ["table", "jsonl", "csv", "html"])
def test_answers_are_written_as_they_come(format):
    """When the third answer is asked for, the first two are in the output already."""
    out = io.StringIO()

    def answers():
        for number in range(1, 4):
            for earlier in range(1, number):
                assert f"caption-{earlier}" in out.getvalue()
            yield Answer(Query(str(number), text=f"caption-{number}"), (Hit(1, "x", 0.5),))

    write_answers(answers(), format, out)
    assert "caption-3" in out.getvalue()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_csv_disarms_formulas(start):
    """A text that a spreadsheet would run is stored behind an apostrophe; numbers are not."""
    text = f"{start}cmd|' /C calc'!A0"
    query = Query(text, text=text, image=text, sketch=text, instead_of=text)
    hits = (Hit(1, text, -0.5, text, text),)
    answer = Answer(query, hits, (text,), text, error=text, composition=text)
    (row,) = csv.DictReader(io.StringIO(written("csv", [answer]), newline=""))
    numbers = ("rank", "score", "correct", "above_unrelated", "nothing")
    texts = {value for name, value in row.items() if name not in numbers}
    assert texts == {"'" + text}
    assert row["score"] == "-0.5"


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_scores_that_json_cannot_hold_are_refused(score):
    """A damaged model shows itself before anything is written."""
    with pytest.raises(InputError, match="the score of 'x' at rank 2"):
        Hit(2, "x", score)


def test_each_json_line_stands_alone():
    """A caption with line separators does not break the one-object-a-line rule."""
    answer = Answer(Query("1", text="a\nb\u2028c"), ())
    lines = written("jsonl", [answer] * 3).split("\n")
    assert [json.loads(line)["text"] for line in lines[:-1]] == ["a\nb\u2028c"] * 3
