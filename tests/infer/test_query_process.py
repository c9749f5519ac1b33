"""`zscr query` as a process: in pipes, on a terminal, interrupted, on a full disk."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

ZSCR = [sys.executable, "-m", "zscr.cli"]


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
    assert [row["text"] for row in parsed(out)] == captions
    assert all(len(row["hits"]) == 8 for row in parsed(out))
    assert err == "-k 10: the index holds only 8 images\n"


# What other queries need, commands that change something, and libraries that are slow to load.
UNNEEDED = {"PIL", "rich", "torch", "onnx", "matplotlib", "hnswlib", "scipy", "csv", "zipfile"}
UNNEEDED |= {"shutil", "logging", "multiprocessing", "subprocess", "html", "zscr.limited"}
UNNEEDED |= {
    f"zscr.{name}"
    for name in (
        "data.collection data.hashes data.listing infer.answers.sheet infer.composed.composer"
        " infer.composition.candidates infer.composition.composition"
        " infer.features infer.gallery_tokens"
        " infer.index.add infer.index.sync infer.own_image infer.pair"
        " infer.reranker infer.sketches infer.sums"
    ).split()
}
LOADED = """
import sys
from zscr.cli import main
try:
    main(["query", "--threads", "1", "--text", "small white circle"])
finally:
    sys.stderr.write(" ".join(sys.modules))
"""


def test_a_text_loads_nothing_that_it_does_not_need(deployed):
    """A start costs half of its time in imports; what it loads is looked at in a fresh process."""
    command = [sys.executable, "-c", LOADED]
    for _ in range(2):  # the first tries the tokenizer in a process, once a machine
        done = subprocess.run(command, cwd=deployed.folder, capture_output=True, text=True)
    loaded = set(done.stderr.split())
    assert parsed(done.stdout)[0]["hits"]
    assert {"onnxruntime", "zscr.infer.searcher"} <= loaded
    assert sorted(UNNEEDED & loaded) == []


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
    with start(deployed, "--text", "red Vögel", "-k", "1", env=ascii_only) as process:
        out, _ = process.communicate()
    assert process.returncode == 0
    assert parsed(out)[0]["text"] == "red Vögel"
    assert "Vögel" in out


def test_a_file_is_there_whole_or_not_at_all(query, tmp_path):
    """An error half way leaves what was there before, and nothing beside it."""
    out = tmp_path / "found.jsonl"
    out.write_text("before")
    assert query("--text", "red", "--expand", 9, "--out", out).exit_code == 1
    assert (os.listdir(tmp_path), out.read_text()) == (["found.jsonl"], "before")
    assert query("--file", "-", "--out", out, stdin=b"red\n\xff\n").exit_code == 1
    assert [bool(row["hits"]) for row in parsed(out.read_text())] == [True, False]
    assert query("--text", "Vögel", "--out", out).exit_code == 1, "not a word that it knows"
    assert query("--text", "red Vögel", "--out", out).exit_code == 0
    assert os.listdir(tmp_path) == ["found.jsonl"]
    assert parsed(out.read_text())[0]["text"] == "red Vögel"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_is_answered_when_it_has_come(deployed, unbuffered):
    """Nobody has to ask 32 things, or to hang up, to get an answer; what has come is one batch."""
    env = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with start(deployed, "--file", "-", "-k", "1", stdin=subprocess.PIPE, env=env) as process:
        for number, texts in enumerate((["red"], ["green", "\u200b", "blue"], ["white"])):
            process.stdin.write("".join(f"{text}\n" for text in texts) + "half of a ")
            process.stdin.flush()
            rows = [json.loads(process.stdout.readline()) for _ in texts]
            wanted = texts if number == 0 else [f"half of a {texts[0]}", *texts[1:]]
            assert [row["text"] for row in rows] == wanted
            assert ["error" in row for row in rows] == [text == "\u200b" for text in texts]
        process.stdin.close()
        assert json.loads(process.stdout.readline())["text"] == "half of a"
        assert "Error: 1 of 6 queries could not be answered" in process.stderr.read()
    assert process.returncode == 1


def test_a_closed_stdin_is_one_sentence(deployed):
    """With nothing to read from; other commands do not need it."""
    command = shlex.join([*ZSCR, "query", "--threads", "1", "-k", "1"])
    run = partial(subprocess.run, shell=True, cwd=deployed.folder, capture_output=True, text=True)
    closed = run(f"{command} --file - <&-")
    assert (closed.returncode, closed.stdout) == (1, "")
    assert closed.stderr == "Error: stdin is closed, so nothing can be read from '-'; name a file\n"
    assert len(parsed(run(f"{command} --text red <&- 2>&-").stdout)) == 1
    unreadable = run(f"{command} --file - 0>/dev/null")
    assert (unreadable.returncode, unreadable.stdout) == (1, "")
    assert re.fullmatch("Error: <stdin> cannot be read .*; name another file\n", unreadable.stderr)
    odd = run(f"{command} --text $(printf 'V\\366gel')")
    assert (odd.returncode, odd.stdout) == (1, "")
    assert re.fullmatch("Error: --text holds a NUL or half a character.*\n", odd.stderr)


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


@pytest.mark.parametrize("style", ["jsonl", "html"])
def test_a_full_disk_behind_a_device_is_one_sentence(query, style):
    """The lines that are written at once fail in the middle, the others at the end."""
    result = query("--text", "red", "--format", style, "--out", "/dev/full")
    assert result.exit_code == 1
    assert re.fullmatch("Error: the disk is full, so /dev/full was not .*\n", result.stderr)
    assert Path("/dev/full").is_char_device()


def test_pipes_that_do_not_wait_are_waited_for(deployed):
    """Others may have set them so, and then nothing to read is not the end, nor full a failure."""
    asked, ask = os.pipe()
    answer, answered = os.pipe()
    os.set_blocking(asked, False)
    os.set_blocking(answered, False)
    with start(deployed, "--file", "-", stdin=asked, stdout=answered) as process:
        os.close(asked)
        os.close(answered)
        with open(answer) as answers:
            for sent in (1, 400):
                time.sleep(1)
                os.write(ask, b"red\n" * sent)
            os.close(ask)
            time.sleep(1)
            found = parsed(answers.read())
        assert (process.stderr.read(), process.wait()) == (
            "-k 10: the index holds only 8 images\n",
            0,
        )
    assert [row["id"] for row in found] == [str(number) for number in range(1, 402)]


def test_devices_are_written_to_not_replaced(query, tmp_path):
    """`--out /dev/null` must not take /dev/null away; a named pipe stands in for it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert query("--text", "red", "-k", 1, "--out", pipe).exit_code == 0
    assert parsed(os.read(reader, 4096).decode())[0]["text"] == "red"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_closed_pipe_ends_it_quietly(deployed):
    """As with `| head -1`: the reader has what it wanted."""
    with start(deployed, "--file", "-", stdin=subprocess.PIPE) as process:
        feeder = subprocess.Popen(["yes", "red"], stdout=process.stdin, stderr=subprocess.DEVNULL)
        process.stdin.close()
        assert parsed(process.stdout.readline())[0]["id"] == "1"
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
        assert parsed(process.stdout.readline())[0]["id"] == "1"
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
