"""Answers as table, JSON Lines and CSV: exact outputs, streaming, and hostile texts."""

import csv
import io
import json
import math

import pytest

from zscr.errors import InputError
from zscr.infer.answers.answer import Answer, Hit, write_answers

ANSWERS = (
    Answer(
        1,
        "a red bird",
        (
            Hit(1, "cardinal/1", 0.87654321, "cardinal", "images/1.jpg", True),
            Hit(2, "tern/22", -0.25, "tern", None, False),
        ),
        "cut",
    ),
    Answer(3, 'says "hi", Vögel', (Hit(1, "x", 0.5),)),
    Answer(4, "nothing like it", ()),
)


def written(format, answers=ANSWERS, **kwargs):
    out = io.StringIO()
    write_answers(iter(answers), format, out, **kwargs)
    return out.getvalue()


def test_jsonl():
    """One object a query; fields that are not known are absent, scores have six decimals."""
    assert written("jsonl") == (
        '{"line": 1, "query": "a red bird", "hits": [{"rank": 1, "id": "cardinal/1", '
        '"score": 0.876543, "class": "cardinal", "image": "images/1.jpg", "correct": true}, '
        '{"rank": 2, "id": "tern/22", "score": -0.25, "class": "tern", "correct": false}], '
        '"note": "cut"}\n'
        '{"line": 3, "query": "says \\"hi\\", Vögel", '
        '"hits": [{"rank": 1, "id": "x", "score": 0.5}]}\n'
        '{"line": 4, "query": "nothing like it", "hits": []}\n'
    )


def test_csv():
    """One row a hit, and a row for a query that found nothing."""
    assert written("csv") == (
        '"line","query","rank","id","score","class","image","correct","note"\n'
        '1,"a red bird",1,"cardinal/1",0.876543,"cardinal","images/1.jpg","true","cut"\n'
        '1,"a red bird",2,"tern/22",-0.25,"tern","","false","cut"\n'
        '3,"says ""hi"", Vögel",1,"x",0.5,"","","",""\n'
        '4,"nothing like it","","","","","","",""\n'
    )


def test_table():
    """Columns align within an answer and lines carry no trailing space."""
    assert written("table") == (
        "1: a red bird  (cut)\n"
        "    1   0.8765  cardinal/1  cardinal  right\n"
        "    2  -0.2500  tern/22     tern      wrong\n"
        "\n"
        '3: says "hi", Vögel\n'
        "    1   0.5000  x\n"
        "\n"
        "4: nothing like it\n"
        "    nothing found\n"
    )


def test_table_fits_the_terminal_and_cannot_take_it_over():
    """Long ids keep both ends within 100 columns; escape sequences are printed as marks."""
    hit = Hit(10, "folder/" + "x" * 90 + "/last.jpg", -0.5, "c" * 80, correct=False)
    lines = written("table", [Answer(1, "\x1b[2Jboo\u202e", (hit,))]).splitlines()
    assert lines[0] == "1: �[2Jboo�"
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
            yield Answer(number, f"caption-{number}", (Hit(1, "x", 0.5),))

    write_answers(answers(), format, out)
    assert "caption-3" in out.getvalue()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_csv_disarms_formulas(start):
    """A text that a spreadsheet would run is stored behind an apostrophe; numbers are not."""
    text = f"{start}cmd|' /C calc'!A0"
    answer = Answer(1, text, (Hit(1, text, -0.5, text, text),), text)
    (row,) = csv.DictReader(io.StringIO(written("csv", [answer]), newline=""))
    assert {row[name] for name in ("query", "id", "class", "image", "note")} == {"'" + text}
    assert row["score"] == "-0.5"


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_scores_that_json_cannot_hold_are_refused(score):
    """A damaged model shows itself before anything is written."""
    with pytest.raises(InputError, match="the score of 'x' at rank 2"):
        Hit(2, "x", score)


def test_each_json_line_stands_alone():
    """A caption with line separators does not break the one-object-a-line rule."""
    lines = written("jsonl", [Answer(1, "a\nb\u2028c", ())] * 3).split("\n")
    assert [json.loads(line)["query"] for line in lines[:-1]] == ["a\nb\u2028c"] * 3
