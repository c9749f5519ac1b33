"""`zscr query` as people use it: what can be asked, what is answered, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil

import pytest

from zscr.errors import InputError


def parsed(text):
    return [json.loads(line) for line in text.splitlines()]


def test_answers_are_the_same_from_anywhere(query, deployed):
    """A file, standard input and a single text; the default format of a pipe is JSON lines."""
    from_file = query("--file", deployed.captions, "-k", 3)
    from_stdin = query("--file", "-", "-k", 3, "--out", "-", stdin=deployed.captions.read_bytes())
    texts = deployed.captions.read_text().splitlines()
    single = [query("--text", f" {text}\n", "-k", 3, "--format", "jsonl") for text in texts]
    assert {result.exit_code for result in (from_file, from_stdin, *single)} == {0}
    assert from_stdin.stdout == from_file.stdout
    hits = [row["hits"] for row in parsed(from_file.stdout)]
    assert [parsed(result.stdout)[0]["hits"] for result in single] == hits
    assert from_file.stderr == ""


def test_empty_lines_are_counted(query):
    """They are no captions; the others keep the numbers of their lines."""
    result = query("--file", "-", "-k", 1, stdin="\nred\n \n\ngreen\n")
    assert [(row["id"], row["text"]) for row in parsed(result.stdout)] == [
        ("2", "red"),
        ("5", "green"),
    ]
    assert re.fullmatch("skipped 3 empty lines of .*\n", result.stderr)


def test_k_is_how_many_are_found(query):
    """Ranked from 1; what the index cannot give is said."""
    few, many = query("--text", "red", "-k", 3), query("--text", "red", "-k", 9)
    assert [hit["rank"] for hit in parsed(few.stdout)[0]["hits"]] == [1, 2, 3]
    assert few.stderr == ""
    assert [hit["rank"] for hit in parsed(many.stdout)[0]["hits"]] == [*range(1, 9)]
    assert many.stderr == "-k 9: the index holds only 8 images\n"


def test_expanded_answers_say_so(query, searcher):
    """From the shell as from Python: other scores, a note on each, and a K that the gallery has."""
    plain, expanded = query("--text", "red"), query("--text", "red", "--expand", 2)
    [row] = parsed(expanded.stdout)
    assert row["notes"][-1] == "uses the gallery: expanded by the top 2"
    assert "uses the gallery" not in plain.stdout
    [answer] = searcher.search(["red"], expand=2)
    assert [hit["id"] for hit in row["hits"]] == [hit.id for hit in answer.hits]
    scores = [[hit["score"] for hit in parsed(r.stdout)[0]["hits"]] for r in (plain, expanded)]
    assert scores[0] != scores[1]
    page = query("--text", "red", "--expand", 2, "--format", "html")
    assert "expanded by the top" in page.stdout
    few = query("--text", "red", "--expand", 9)
    assert (few.exit_code, few.stdout) == (1, "")
    assert few.stderr.startswith("Error: queries cannot be expanded by their top 9 of 8 images;")
    with pytest.raises(InputError, match="expansion by 0 images"):
        searcher.search(["red"], expand=0)


@pytest.fixture
def photo(shapes, tmp_path):
    """A copy of an image of the gallery, named as people name them, and its id."""
    shutil.copy(shapes / "white-square-2.png", tmp_path / "my photo.png")
    return tmp_path / "my photo.png", "white-square-2"


def test_an_image_finds_more_like_it(query, photo):
    """The model was made for texts as queries, but its gallery takes images."""
    path, name = photo
    result = query("--image", path, "-k", 8)
    assert (result.exit_code, result.stderr) == (0, "")
    [row] = parsed(result.stdout)
    assert (row["id"], row["image"]) == ("1", str(path))
    assert "text" not in row
    assert row["hits"][0]["id"] == name
    assert row["hits"][0]["score"] == pytest.approx(1, abs=1e-5)
    page = query("--image", path, "-k", 1, "--format", "html").stdout
    assert "asked with this image" in page
    assert page.count("url(data:image/jpeg") == 2


def test_a_file_mixes_texts_and_images(query, photo):
    """Each answered by the graph that takes it, in the order of the file."""
    path, name = photo
    rows = [{"text": "small white circle"}, {"image": path.name, "id": "mine"}, {"text": "red"}]
    lines = [json.dumps(row) for row in rows]
    (path.parent / "queries.jsonl").write_text("\n\n".join(lines))
    result = query("--file", path.parent / "queries.jsonl", "-k", 8)
    assert result.stderr == f"skipped 2 empty lines of {path.parent / 'queries.jsonl'}\n"
    [alone] = parsed(query("--text", "red", "-k", 8).stdout)
    first, second, third = parsed(result.stdout)
    assert [row["id"] for row in (first, second, third)] == ["1", "mine", "5"]
    assert {hit["correct"] for hit in first["hits"]} == {True, False}
    assert second["hits"][0]["id"] == name
    assert third["hits"] == alone["hits"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "give queries by either --file, or --text, --image and --sketch"),
        (["--file", "x", "--text", "y"], "by either --file, or --text"),
        (["--file", "x", "--image", "y"], "by either --file, or --text"),
        (["--file", "x", "--sketch", "y"], "by either --file, or --text"),
        (["--text", " \n"], "--text is empty"),
        (["--text", "", "--image", "x"], "--text is empty"),
        (["--image", "/"], "is a directory"),
        (["--text", "x", "-k", 0], "0 is not in the range"),
        (["--text", "x", "--expand", 0], "0 is not in the range"),
        (["--text", "x", "--threads", 0], "0 is not in the range"),
        (["--text", "x", "--format", "xml"], "'xml' is not one of"),
        (["--text", "x", "--out", "/"], "is a directory"),
    ],
)
def test_usage_errors_exit_2(query, args, message):
    """With nothing on stdout."""
    result = query(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--file", "nowhere.txt"], r"nowhere\.txt does not exist"),
        (["--image", "gone.jpg"], r"--image is gone\.jpg, which does not exist"),
        (["--image", "x" * 300], r"x, which cannot be opened \(File name too long\)"),
        (["--file", "a red bird " * 40], r"bird  cannot be opened \(File name too long\)"),
        (["--sketch", __file__], "query 1 .* of text or image or image and text, not of sketch"),
        (["--text", "x", "--sketch", __file__], "image and text, not of sketch and text"),
        (["--image", __file__], "is not a JPEG, "),
        (["--text", "x", "--bundle", "nowhere"], "no bundle nowhere; run 'zscr export'"),
        (["--text", "x", "--index", "nowhere"], "no index nowhere; make it with 'zscr index add'"),
        (["--text", "🐕"], r"query 1 has no word that the model's text encoder knows \(🐕\)"),
        (["--text", "x", "--backend", "tpu"], "'tpu' is unknown"),
        (["--text", "x", "--out", "/nowhere/x"], "/nowhere/x cannot be written"),
    ],
)
def test_known_errors_are_one_line_and_exit_1(query, args, message):
    """Which names the fix."""
    result = query(*args)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(f"Error: .*{message}.*\n", result.stderr)


BAD = ("V\xf6gel".encode("latin1"), "🐕".encode(), b"x" * 2_000_000)


@pytest.mark.parametrize("style", ["jsonl", "csv", "table", "html"])
def test_a_line_that_cannot_be_answered_costs_no_other(query, tmp_path, style):
    """From a file as from a pipe: an answer a line, in order, and exit 1 with the count."""
    lines = b"\n".join((b"red", *BAD, b"", b"green"))
    (tmp_path / "captions.txt").write_bytes(lines)
    found = query("--file", tmp_path / "captions.txt", "-k", 1, "--format", style)
    piped = query("--file", "-", "-k", 1, "--format", style, stdin=lines)
    named = found.stdout.replace(str(tmp_path / "captions.txt"), "the input")
    assert piped.stdout == named
    assert (found.exit_code, piped.exit_code) == (1, 1)
    last = found.stderr.splitlines()[-1]
    counts = "3 of 5 queries could not be answered; the first: "
    assert last.startswith(f"Error: {counts}{tmp_path / 'captions.txt'} line 2 is not UTF-8")
    whys = ("line 2 is not UTF-8", r"query 3 has no word .*\(🐕\)", "line 4 is over 1048576 bytes")
    for why in whys:
        assert len(re.findall(why, found.stdout)) == 1
    if style == "jsonl":
        rows = parsed(found.stdout)
        assert [row["id"] for row in rows] == ["1", "2", "3", "4", "6"]
        assert [bool(row["hits"]) for row in rows] == [True, False, False, False, True]
        [alone] = parsed(query("--text", "green", "-k", 1).stdout)
        assert rows[-1]["hits"] == alone["hits"]


def test_bad_lines_of_json_cost_no_other(query, photo):
    """Nor do images that are gone, cannot be decoded, or are no files."""
    path, name = photo
    (path.parent / "text.png").write_text("no image")
    os.mkfifo(path.parent / "pipe.png")
    rows = [{"image": "gone.png"}, {"image": path.name}, {"image": "text.png"}]
    rows += [{"image": "pipe.png"}, {"sketch": path.name}, {"text": ""}, {"text": "red"}]
    lines = ["not json", *map(json.dumps, rows)]
    (path.parent / "queries.jsonl").write_text("\n".join(lines))
    result = query("--file", path.parent / "queries.jsonl", "-k", 8)
    found = parsed(result.stdout)
    assert [row["id"] for row in found] == [str(number) for number in range(1, 9)]
    assert [not row["hits"] for row in found] == [True, True, False, True, True, True, True, False]
    whys = ("is not JSON", "does not exist", None, "text.png is not a", "is a named pipe")
    whys += ("or image and text, not of sketch", "has an empty 'text'", None)
    for row, why in zip(found, whys, strict=True):
        assert (why or "") in row.get("error", "")
    assert found[2]["hits"][0]["id"] == name
    assert "Error: 6 of 8 queries could not be answered; the first: " in result.stderr


def test_files_of_another_kind_are_one_sentence(query, tmp_path):
    """Before anything is answered."""
    for content in (b"", b"\n\n", "red\n".encode("utf-16"), b"1.jpg,A child\n", b"a\rb\r"):
        (tmp_path / "captions.txt").write_bytes(content)
        result = query("--file", tmp_path / "captions.txt")
        assert (result.exit_code, result.stdout) == (1, "")
        assert re.fullmatch(r"Error: .*captions\.txt .*\n", result.stderr)


def test_images_under_a_score_are_left_out(query):
    """The answer says how many; nothing is no score."""
    [row] = parsed(query("--text", "small white circle", "-k", 8).stdout)
    scores = [hit["score"] for hit in row["hits"]]
    middle = (scores[3] + scores[4]) / 2
    [few] = parsed(query("--text", "small white circle", "-k", 8, "--min-score", middle).stdout)
    assert few["hits"] == row["hits"][:4]
    assert few["notes"][-1] == f"4 of 8 score under {middle:g}: left out"
    result = query("--text", "red", "--min-score", "nan")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "min_score is nan; give a number" in result.stderr


def test_formats_agree(query, deployed):
    """The same images in the same order in each of the four, marked right or wrong in each."""
    out = {
        style: query("--file", deployed.captions, "-k", 4, "--format", style).stdout
        for style in ("jsonl", "csv", "table", "html")
    }
    hits = [hit for row in parsed(out["jsonl"]) for hit in row["hits"]]
    ids, marks = [hit["id"] for hit in hits], [hit["correct"] for hit in hits]
    assert set(marks) == {True, False}
    rows = list(csv.DictReader(io.StringIO(out["csv"])))
    assert [(row["id"], row["correct"] == "true") for row in rows] == [
        *zip(ids, marks, strict=True)
    ]
    lines = re.findall(r"^ +\d+ +[-\d.]+ +(\S+) .*(right|wrong)$", out["table"], re.MULTILINE)
    assert lines == [
        (name, "right" if mark else "wrong") for name, mark in zip(ids, marks, strict=True)
    ]
    cards = re.findall(r'<li class="(right|wrong)">.*?<div class="id">(.*?)</div>', out["html"])
    assert [(name, verdict) for verdict, name in cards] == lines


def test_every_format_says_what_ran(query):
    """In the answers; a table, which people read, leaves it to standard error."""
    ran = r"onnxruntime [\d.]+, cpu, 1 threads"
    [row] = parsed(query("--text", "red").stdout)
    assert re.fullmatch(ran, row["ran"])
    [first, *_] = csv.DictReader(io.StringIO(query("--text", "red", "--format", "csv").stdout))
    assert re.fullmatch(ran, first["ran"])
    table = query("--text", "red", "-k", 2, "--format", "table")
    assert re.fullmatch(f"{ran}\n", table.stderr)
    assert "onnxruntime" not in table.stdout
    unknown = query("--text", "red", "-k", 2, "--expand", 2, "--format", "table")
    assert re.fullmatch(f"{ran}; scores are not calibrated\n", unknown.stderr)


def test_html_stands_alone(query, deployed, tmp_path):
    """The images are in the page; nothing is fetched from elsewhere; it says what ran."""
    page = tmp_path / "found.html"
    result = query("--file", deployed.captions, "--format", "html", "--out", page)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"wrote {page}" in result.stderr
    text = page.read_text("utf-8")
    assert len(re.findall(r"url\(data:image/jpeg;base64,", text)) == 8
    assert not re.search(r"<script|<link|<img|src=|href=|https?://|url\((?!data:)", text)
    assert "✓ right" in text
    assert "✗ wrong" in text
    assert re.search("<footer>2 queries, .*cpu, 1 threads</footer>", text)
    by = "4 examples, each without the images of its class and 8 images, each without those of "
    assert f"<dt>scores are calibrated by</dt><dd>{by}its class</dd>" in text
    right = text.count("✓ right")
    assert f"; {right} of {right + text.count('✗ wrong')} right; " in text


def test_html_says_what_no_score_is_calibrated_for(query, deployed, tmp_path):
    """A file of JSON Lines may hold queries of an image and a text, which nothing calibrates."""
    (tmp_path / "some.jsonl").write_text('{"text": "red"}\n')
    page = query("--file", tmp_path / "some.jsonl", "--format", "html").stdout
    assert "and 8 images, each without those of its class, those of composed queries by" in page
    assert "composed queries" not in query("--text", "red", "--format", "html").stdout


def test_html_names_what_was_never_trained_on(query, deployed, tmp_path, monkeypatch):
    """The unseen classes in the page's head; beside another index nothing is said of them."""
    page = query("--text", "red", "--format", "html").stdout
    fact = "2 classes of this gallery: white-circle, white-square"
    assert f"<dt>never trained on</dt><dd>{fact}</dd>" in page
    shutil.copytree(deployed.index, tmp_path / "mine.index")
    other = query("--text", "red", "--format", "html", "--index", tmp_path / "mine.index").stdout
    assert "never trained on" not in other
    monkeypatch.setattr("zscr.infer.commands._NAMED", 1)
    page = query("--text", "red", "--format", "html").stdout
    assert "2 classes of this gallery: white-circle, …</dd>" in page


@pytest.mark.parametrize("style", ["jsonl", "csv", "table", "html"])
def test_truncated_texts_say_so(query, style):
    """In every format; the text itself is shown whole."""
    text = " ".join(["red"] * 30)
    found = query("--text", text, "--format", style).stdout
    assert found.count("truncated to 16 tokens") >= 1
    assert text in found
    assert "truncated" not in query("--text", "red", "--format", style).stdout
