"""Progress is talk: it goes to stderr, as a bar on a terminal and as few plain lines elsewhere."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time

from zscr.progress import progress, say


def test_plain_lines_are_few_and_the_last_is_there(capsys, monkeypatch):
    """One every five seconds, and one at the end; units of an earlier run do not count as speed."""
    clock = iter([0.0, 1.0, 6.0, 6.0, 7.0, 10.0, 10.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with progress("embedding", 100, done=60) as bar:
        bar.advance(6)  # second 1: too early
        bar.advance(6)  # second 6
        bar.advance(20)  # second 7: too early
        bar.advance(8, note="loss 0.5")  # second 10: the end
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "embedding: 72/100 (2/s, 14 s left)",
        "embedding: 100/100 (4/s, 0 s left) loss 0.5",
    ]


def test_say_is_talk(capsys):
    """Stdout is for data."""
    say("one sentence")
    assert capsys.readouterr() == ("", "one sentence\n")


def on_a_terminal(code):
    """Run code whose standard error is a terminal; return what it shows."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from zscr.progress import progress\n" + code]
    done = subprocess.run(command, stderr=theirs, stdout=subprocess.PIPE)
    shown = os.read(ours, 4096).decode()
    os.close(theirs)
    os.close(ours)
    assert (done.returncode, done.stdout) == (0, b"")
    return shown


def test_a_terminal_gets_a_bar():
    """Drawn on stderr with what is done of how much, and the note."""
    code = "with progress('embedding', 8) as bar:\n bar.advance(8, note='loss 0.5')"
    shown = on_a_terminal(code)
    assert "embedding" in shown
    assert "8/8" in shown
    assert "loss 0.5" in shown


def test_the_bar_shows_the_figures_that_it_is_given():
    """What was done earlier and each advance, whatever its size, of the total; the last note."""
    code = "with progress('embedding', 97, done=40) as bar:\n"
    code += " bar.advance(3, note='loss 0.5')\n bar.advance()\n bar.advance(2, note='loss 0.25')"
    shown = on_a_terminal(code)
    last = re.findall(r"(\d+)/(\d+)", shown)[-1]
    assert last == ("46", "97")
    assert re.findall(r"loss ([\d.]+)", shown)[-1] == "0.25"
