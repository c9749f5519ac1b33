"""`zscr query` and `zscr index` as people use them: in pipes, interrupted, on a full disk."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from zscr.cli import main
from zscr.infer.index.index import Index

ZSCR = [sys.executable, "-m", "zscr.cli"]


@pytest.fixture
def query(deployed):
    """Return a function that runs `zscr query` here; standard error is apart."""

    def run(*args, stdin=None):
        about = ["query", "--bundle", str(deployed.bundle), "--threads", "1"]
        return CliRunner().invoke(main, [*about, *map(str, args)], input=stdin)

    return run


def start(deployed, *args, **options):
    """Start a real `zscr query` in the folder where the model was made."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    command = [*ZSCR, "query", "--threads", "1", *map(str, args)]
    return subprocess.Popen(command, cwd=deployed.folder, text=True, **pipes)


def parsed(text):
    return [json.loads(line) for line in text.splitlines()]


def test_the_command_of_the_readme(deployed):
    """A real process, no argument but the file: a JSON line a caption, and nothing else."""
    with start(deployed, "--file", "captions.txt") as process:
        out, err = process.communicate()
    captions = deployed.captions.read_text().splitlines()
    assert (process.returncode, len(captions)) == (0, 2)
    assert [row["query"] for row in parsed(out)] == captions
    assert all(len(row["hits"]) == 8 for row in parsed(out))
    assert err == "-k 10: the index holds only 8 images\n"


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
    assert [row["line"] for row in parsed(result.stdout)] == [2, 5]
    assert re.fullmatch("skipped 3 empty lines of .*\n", result.stderr)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "either --file or --text"),
        (["--file", "x", "--text", "y"], "either --file or --text"),
        (["--text", " \n"], "--text is empty"),
        (["--text", "x", "-k", 0], "0 is not in the range"),
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
        (["--text", "x", "--bundle", "nowhere"], "no bundle nowhere; run 'zscr export'"),
        (["--text", "x", "--index", "nowhere"], "no index nowhere; make it with 'zscr index add'"),
        (["--text", "x", "--provider", "tpu"], "'tpu' is unknown"),
        (["--text", "x", "--out", "/nowhere/x"], "/nowhere/x cannot be written"),
    ],
)
def test_known_errors_are_one_line_and_exit_1(query, args, message):
    """Which names the fix."""
    result = query(*args)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(f"Error: .*{message}.*\n", result.stderr)


def test_text_that_is_not_utf8_is_named_by_its_line(query):
    """The answers before it are out already, as in any stream."""
    result = query("--file", "-", "-k", 1, stdin=b"red\n" * 40 + b"V\xf6gel\n")
    assert result.exit_code == 1
    assert len(parsed(result.stdout)) == 32
    assert re.fullmatch("Error: .* line 41 is not UTF-8 .*\n", result.stderr)


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
    lines = re.findall(r"^ +\d+ +[\d.]+ +(\S+) .*(right|wrong)$", out["table"], re.MULTILINE)
    assert lines == [
        (name, "right" if mark else "wrong") for name, mark in zip(ids, marks, strict=True)
    ]
    cards = re.findall(r'<li class="(right|wrong)">.*?<div class="id">(.*?)</div>', out["html"])
    assert [(name, verdict) for verdict, name in cards] == lines


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
    assert "<dd>cpu, 1 threads</dd>" in text


@pytest.mark.parametrize("style", ["jsonl", "csv", "table", "html"])
def test_truncated_texts_say_so(query, style):
    """In every format; the text itself is shown whole."""
    text = " ".join(["red"] * 30)
    found = query("--text", text, "--format", style).stdout
    assert found.count("truncated to 16 tokens") >= 1
    assert text in found
    assert "truncated" not in query("--text", "red", "--format", style).stdout


def test_a_terminal_gets_a_table(deployed):
    """People read tables, programs JSON lines."""
    ours, theirs = pty.openpty()
    with start(deployed, "--text", "small white circle", "-k", "1", stdout=theirs) as process:
        process.communicate()
    shown = os.read(ours, 4096).decode()
    os.close(theirs)
    os.close(ours)
    assert re.fullmatch(r"1: small white circle\r\n +1 +0\.\d+ +white-.* (right|wrong)\r\n", shown)


def test_output_is_utf8_whatever_the_locale(deployed):
    """A pipe is read by programs, which do not know this process's locale."""
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    with start(deployed, "--text", "Vögel", "-k", "1", env=ascii_only) as process:
        out, _ = process.communicate()
    assert process.returncode == 0
    assert parsed(out)[0]["query"] == "Vögel"
    assert "Vögel" in out


def test_a_file_is_there_whole_or_not_at_all(query, tmp_path):
    """An error half way leaves what was there before, and nothing beside it."""
    out = tmp_path / "found.jsonl"
    out.write_text("before")
    assert query("--file", "-", "--out", out, stdin=b"red\n" * 40 + b"\xff\n").exit_code == 1
    assert (os.listdir(tmp_path), out.read_text()) == (["found.jsonl"], "before")
    assert query("--text", "Vögel", "--out", out).exit_code == 0
    assert (os.listdir(tmp_path), parsed(out.read_text())[0]["query"]) == (["found.jsonl"], "Vögel")


def test_a_full_disk_is_one_sentence(query, small_disk):
    """Nothing half-written stays on it."""
    result = query("--file", "-", "--out", small_disk / "found.jsonl", stdin="red\n" * 2000)
    assert result.exit_code == 1
    assert re.fullmatch(
        r"Error: the disk is full, so .*found\.jsonl was not written.*\n", result.stderr
    )
    assert os.listdir(small_disk) == []


def test_a_full_disk_behind_stdout_is_one_sentence(deployed):
    """A shell's redirection fills up like any other file."""
    with (
        Path("/dev/full").open("w") as full,
        start(deployed, "--text", "red", "-k", "1", stdout=full) as process,
    ):
        _, err = process.communicate()
    assert process.returncode == 1
    assert re.fullmatch("Error: the disk is full, so stdout was not written.*\n", err)


def test_devices_are_written_to_not_replaced(query, tmp_path):
    """`--out /dev/null` must not take /dev/null away; a named pipe stands in for it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert query("--text", "red", "-k", 1, "--out", pipe).exit_code == 0
    assert parsed(os.read(reader, 4096).decode())[0]["query"] == "red"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_closed_pipe_ends_it_quietly(deployed):
    """As with `| head -1`: the reader has what it wanted."""
    with start(deployed, "--file", "-", stdin=subprocess.PIPE) as process:
        feeder = subprocess.Popen(["yes", "red"], stdout=process.stdin, stderr=subprocess.DEVNULL)
        process.stdin.close()
        assert parsed(process.stdout.readline())[0]["line"] == 1
        process.stdout.close()
        err = process.stderr.read()
        feeder.kill()
        feeder.wait()
    assert err == ""


def test_ctrl_c_ends_it_quietly(deployed):
    """No traceback, and the exit code by which a shell knows."""
    with start(deployed, "--file", "-", stdin=subprocess.PIPE) as process:
        process.stdin.write("red\n" * 200)
        process.stdin.flush()
        assert parsed(process.stdout.readline())[0]["line"] == 1
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert (process.returncode, err) == (130, "interrupted\n")


PEAK = """
import sys
from pathlib import Path
from zscr.cli import main
main(sys.argv[1:], standalone_mode=False)
[line] = [x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM")]
sys.stderr.write(line.split()[1])
"""


@pytest.mark.parametrize("style", ["jsonl", "html"])
def test_memory_does_not_grow_with_the_captions(deployed, tmp_path, style):
    """10,000 captions take about as much as 200."""
    peaks = []
    for count in (200, 10_000):
        captions = tmp_path / f"{count}.txt"
        captions.write_text("".join(f"a small red circle {n}\n" for n in range(count)))
        args = ["query", "--threads", "1", "--file", captions, "--format", style, "-k", "8"]
        args += ["--out", tmp_path / f"{count}.out"]
        command = [sys.executable, "-c", PEAK, *map(str, args)]
        done = subprocess.run(command, cwd=deployed.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stderr.splitlines()[-1]))
    assert (tmp_path / "10000.out").stat().st_size > 1 << 20
    assert peaks[1] - peaks[0] < 4 << 10, peaks  # KiB


def test_index_from_the_shell(deployed, tmp_path, images):
    """Add, look, verify, ask: what was skipped is said, and one's own images are found."""
    folder, runner = tmp_path / "own.index", CliRunner()
    images(4, "own")[1].write_text("text")
    add = ["index", "add", tmp_path / "own", "--bundle", deployed.bundle, "--index", folder]
    added = runner.invoke(main, list(map(str, add)))
    assert (added.exit_code, added.stdout) == (0, "")
    assert "3 added, 0 replaced, 0 unchanged, 1 skipped" in added.stderr
    assert "01.png is not a JPEG" in added.stderr
    again = runner.invoke(main, list(map(str, add)))
    assert "0 added, 0 replaced, 3 unchanged, 1 skipped" in again.stderr
    info = runner.invoke(main, ["index", "info", str(folder)])
    assert "3 images of 16 dimensions, exact" in info.stdout
    assert "1 images were skipped" in info.stdout
    verified = runner.invoke(main, ["index", "verify", str(folder)])
    assert "is sound: 3 images" in verified.stdout
    assert "100.00% of 3" in verified.stdout
    asked = ["query", "--text", "red", "--bundle", str(deployed.bundle), "--index", str(folder)]
    [row] = parsed(runner.invoke(main, asked).stdout)
    assert {hit["id"] for hit in row["hits"]} == {"own/00.png", "own/02.png", "own/03.png"}


def test_a_damaged_index_is_one_sentence(deployed, tmp_path):
    """From the shell, too."""
    folder = Path(shutil.copytree(deployed.index, tmp_path / "index"))
    vectors = folder / f"vectors.{Index.open(folder).generation}.npy"
    vectors.write_bytes(vectors.read_bytes()[:-1] + b"\0")
    result = CliRunner().invoke(main, ["index", "verify", str(folder)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch("Error: .*vectors.* is damaged: .*\n", result.stderr)


def test_an_interrupted_add_says_how_to_go_on(deployed, tmp_path, images):
    """What was embedded is kept, as the kill tests prove; Ctrl-C says so."""
    images(3)
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys\n"
        "from zscr.cli import main\n"
        "replace = os.replace\n"
        "def interrupted(*args):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    replace(*args)\n"
        "os.replace = interrupted\n"
        "main(sys.argv[1:])\n"
    )
    args = ["index", "add", tmp_path / "images", "--bundle", deployed.bundle]
    args += ["--index", tmp_path / "index"]
    command = [sys.executable, script, *args]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 130
    assert "the same command goes on from there\ninterrupted\n" in done.stderr
    assert "Traceback" not in done.stderr
