"""Names that attack a terminal or a page: nothing that they hold gets through."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from zscr.cli import main
from zscr.data.records import Query
from zscr.infer.answers.answer import Answer, Hit
from zscr.infer.answers.markup import isolated
from zscr.infer.answers.writers import write_answers
from zscr.printable import printable

EVIL = "a\x1b[2J\u202egnp\u2066\x07\n.png"


def test_printable():
    """Controls, bidi, line separators and bytes that are no text are escapes; words stay words."""
    assert printable(EVIL) == "a\\x1b[2J\\u202egnp\\u2066\\x07\\n.png"
    assert printable(Path(os.fsdecode(b"caf\xe9\x9b"))) == "caf\\xe9\\x9b"
    assert printable("\u2028\x9b") == "\\u2028\\x9b"
    for words in ("café 麺 หมา", "👩‍🚀", "می‌خواهم", "שלום"):
        assert printable(words) == words


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        """Return True."""
        return True


@pytest.mark.parametrize("format", ["jsonl", "csv", "table"])
def test_answers_on_a_terminal_hold_no_controls(format):
    """And a program that reads JSON gets each text as it was, as it does in a CSV file."""
    name = EVIL.replace("\n", "") + "\x9b\U000e0041"
    answers = [Answer(Query("1", name), (Hit(1, name, 0.5, class_id=name),), error=name)]
    out = Terminal()
    write_answers(answers, format, out)
    assert not {*"\x1b\u202e\x07\x9b\U000e0041"} & {*out.getvalue()}
    if format == "jsonl":
        assert json.loads(out.getvalue())["hits"][0]["id"] == name
    elif format == "csv":
        write_answers(answers, format, file := io.StringIO())
        assert list(csv.DictReader(io.StringIO(file.getvalue())))[0]["id"] == name


@pytest.mark.parametrize(
    "command",
    [
        ["index", "verify", EVIL],
        ["index", "add", EVIL],
        ["index", "remove", EVIL, "--index", EVIL],
        ["query", "--file", EVIL],
        ["query", "--text", "a", "--bundle", EVIL],
        ["query", "--image", "a", "--format", EVIL],
        ["data", "info", EVIL],
        ["data", "convert", "folder", EVIL, "--out", "x"],
        ["evaluate", EVIL],
        [EVIL],
        ["index", f"--{EVIL}"],
    ],
)
def test_errors_hold_no_controls(command, tmp_path, monkeypatch):
    """Whichever command repeats the name, click's own errors, too."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, command)
    assert done.exit_code in (1, 2)
    assert not {"\x1b", "\u202e", "\x07"} & {*done.stderr, *done.stdout}


def test_what_commands_tell_of_files_holds_no_controls(deployed, tmp_path):
    """Of images that are indexed, skipped, missing or passed over."""
    photos, folder = tmp_path / f"photos{EVIL}", tmp_path / "index"
    photos.mkdir()
    Image.new("RGB", (9, 9), "red").save(photos / EVIL)
    (photos / f"bad{EVIL}").write_text("text")
    place = ["--index", str(folder), "--bundle", str(deployed.bundle)]
    said = [CliRunner().invoke(main, ["index", "add", str(photos), *place])]
    said.append(CliRunner().invoke(main, ["index", "info", str(folder)]))
    (photos / EVIL).unlink()
    said.append(CliRunner().invoke(main, ["index", "verify", str(folder)]))
    said.append(CliRunner().invoke(main, ["query", "--text", "red", "--format", "jsonl", *place]))
    assert [done.exit_code for done in said] == [0, 0, 1, 0]
    for done in said[:3]:
        assert "\\x1b" in done.output
        assert not {"\x1b", "\u202e", "\x07"} & set(done.output)
    assert '"id": "photosa\\u001b[2J' in said[3].stdout  # JSON escapes it, and keeps it


def test_where_a_collection_was_made_is_printed_and_piped(tmp_path):
    """Escaped on a terminal; to a program, as the path is."""
    for number in range(5):
        image = tmp_path / f"source/{number}/a.png"
        image.parent.mkdir(parents=True)
        Image.new("RGB", (9, 9), (50 * number, 0, 0)).save(image)
    line = [sys.executable, "-m", "zscr.cli", "data", "convert", "folder", "source", "--out"]
    ours, theirs = os.openpty()
    subprocess.run([*line, "a\x1b[2J"], cwd=tmp_path, stdout=theirs, check=True)
    os.close(theirs)
    assert os.read(ours, 1000) == b"a\\x1b[2J\r\n"
    os.close(ours)
    piped = subprocess.run([*line, "b\x1b[2J"], cwd=tmp_path, stdout=subprocess.PIPE, check=True)
    assert (tmp_path / os.fsdecode(piped.stdout[:-1])).is_dir()


def test_bidi_is_isolated_in_the_page():
    """A text that turns others round stands in a `<bdi>`, a plain one needs none."""
    out = io.StringIO()
    hit = Hit(1, EVIL, 0.5, class_id="שלום", image=f"{EVIL}.gone")
    answers = [Answer(Query("1", text=f"q{EVIL}"), (hit,), (f"n{EVIL}",), f"r{EVIL}")]
    write_answers(answers, "html", out, title=EVIL, about={"index": EVIL})
    page = out.getvalue()
    outside = [part.partition("</bdi>")[2] for part in page.split("<bdi>")[1:]]
    assert not any("\u202e" in part for part in [page.partition("<bdi>")[0], *outside])
    assert "<bdi>שלום</bdi>" in page
    assert not {"\x1b", "\x07"} & set(page)
    assert isolated("a <b>") == "a &lt;b&gt;"


def test_the_locale_c_is_no_obstacle(deployed, tmp_path):
    """Names, arguments and answers are UTF-8, even where Python is told to speak ASCII."""
    photos = tmp_path / "fotos été"
    photos.mkdir()
    Image.new("RGB", (9, 9), "red").save(photos / "日本 é.png")
    (tmp_path / "q.jsonl").write_text('{"image": "fotos été/日本 é.png"}\n', encoding="utf-8")
    place = ["--index", "idx é", "--bundle", str(deployed.bundle)]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIO"))}
    env = kept | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    def run(*args):
        command = [sys.executable, "-m", "zscr.cli", *args]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    run("index", "add", "fotos été", *place)
    assert "1 images" in run("index", "verify", "idx é")
    assert "fotos été/日本 é.png" in run("query", "--file", "q.jsonl", "--format", "csv", *place)
    assert "fotos été" in run("index", "info", "idx é")
    page = "page é.html"
    run("query", "--file", "q.jsonl", "--format", "html", "--out", page, *place)
    assert "could not be shown" not in (tmp_path / page).read_text(encoding="utf-8")
