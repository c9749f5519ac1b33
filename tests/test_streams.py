"""Any command with a standard stream that is closed, full or of another encoding."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

CLOSED = "Error: stdout is closed; redirect it, for instance to a file or to /dev/null\n"
FULL = "Error: the disk is full, so stdout was not written; redirect it elsewhere\n"


def shell(folder, line, unbuffered="", **environment):
    """Run a line of a shell in which `zscr` is this one's -> exit code, stdout, stderr."""
    call = f'zscr() {{ "{sys.executable}" -m zscr.cli "$@"; }}; set -o pipefail; {line}'
    # An empty PYTHONUNBUFFERED is as one that is not set.
    env = os.environ | {"PYTHONUNBUFFERED": unbuffered} | environment
    done = subprocess.run(["bash", "-c", call], cwd=folder, env=env, capture_output=True)
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.fixture(scope="module", params=["", "1"], ids=["buffered", "unbuffered"])
def zscr(request, shapes):
    """Return a function that runs a line beside the collection `shapes`."""
    return lambda line, **env: shell(shapes.parent, line, request.param, **env)


@pytest.mark.parametrize("command", ["zscr --version", "zscr data info shapes"])
def test_a_stdout_that_takes_nothing_is_one_sentence(zscr, command):
    """Of help and versions as of commands; no second message at the exit, whatever the buffers."""
    assert zscr(f"{command} >/dev/full") == (1, b"", FULL)
    assert zscr(f"{command} >&-") == (1, b"", CLOSED)
    assert zscr(f"{command} >&- 2>&-") == (1, b"", "")


def test_a_closed_stdout_is_met_before_the_work(zscr):
    """A result that can be written nowhere is not computed first."""
    assert zscr("zscr data make aviary --out never >&-") == (1, b"", CLOSED)
    assert zscr("ls -d never 2>/dev/null")[0] != 0


def test_a_stderr_that_takes_nothing_stops_nothing(zscr):
    """Nobody can be told, and the work is done; exit codes still tell."""
    sound = zscr("zscr data info shapes")
    assert sound[0] == 0
    for redirected in ("2>&-", "2>/dev/full", "<&-", "<&- 2>&-"):
        assert zscr(f"zscr data info shapes {redirected}") == sound
    assert zscr("zscr data info nowhere 2>/dev/full")[0] == 1


def test_a_file_does_not_become_a_closed_stream(zscr):
    """Its number would be free, and what is said on stderr would end up in the file."""
    line = "zscr data make aviary --seen 2 --held-out-images 1 --images 1 --out"
    code, out, err = zscr(f"{line} quiet 2>&- <&- && zscr data check quiet && rm -r quiet")
    assert (code, "Error" in err) == (0, False), (out, err)


def test_a_reader_who_leaves_ends_it_quietly(zscr):
    """As `head` does."""
    code, out, err = zscr("yes | zscr data info shapes | head -1")
    assert (out.count(b"\n"), err) == (1, "")
    assert code in (0, 1, 141)


def test_words_that_are_not_utf8_are_one_sentence(zscr):
    """Arguments in Latin-1, in a locale of UTF-8 and in none."""
    for locale in ("C.UTF-8", "C", "POSIX"):
        code, out, err = zscr(r"zscr data info $'V\xf6gel'", LC_ALL=locale)
        assert (code, out) == (1, b"")
        assert re.fullmatch(r"Error: .*V.*gel.*\n", err)
    name = r"$'V\xf6gel'"
    code, _, err = zscr(f"cp -r shapes {name} && zscr data info {name} && rm -r {name}")
    assert code == 0, err


def test_an_encoding_of_few_characters_is_no_error(zscr):
    """What it lacks is escaped."""
    code, out, err = zscr("zscr data info shapes | head -c 99", PYTHONIOENCODING="ascii")
    assert (code in (0, 1, 141), err) == (True, "")
    assert out
