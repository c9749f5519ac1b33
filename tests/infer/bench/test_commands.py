"""`zscr bench` from end to end on a bundle made by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

STAGES = ("latency", "prepare", "encode", "search", "answer")
PARTS = [f"{stage}{what}" for stage in STAGES for what in ("", ", CPU")]


def result_of(folder: str) -> Any:
    return json.loads(Path(folder, "result.json").read_text("utf-8"))


def test_all_scenarios_of_a_bundle(run) -> None:
    """Each is measured with as many queries as asked; a p99 of 20 is '-' and what it takes."""
    done = run("--queries", 20, "--out", "report")
    assert done.exit_code == 0, done.stderr
    assert {path.name for path in Path("report").iterdir()} == {
        "manifest.json",
        "page.html",
        "result.json",
        "table.md",
    }
    result = result_of("report")
    assert [one["scenario"] for one in result["runs"]] == ["single", "server", "offline"]
    assert [one["queries"] for one in result["runs"]] == [20, 20, 20]
    [first, *_] = done.stdout.splitlines()[2:]
    assert first.split("|")[1:5] == [" single   ", " birds ", " latency       ", " 20      "]
    assert "- (needs 459)" in first
    assert result["runs"][0]["percentiles"]["p99"] == {"ms": None, "needs": 459}
    [sweep] = result["sweeps"]
    assert sweep["queries"].endswith("the index's sample")
    assert [one["ef"] for one in sweep["points"]][:2] == [None, 10]
    assert done.stdout in Path("report/table.md").read_text("utf-8")


def test_the_report_is_numbered_where_no_folder_is_named(run) -> None:
    """One does not replace the other; a folder that is there is refused before the work."""
    for number in (1, 2):
        done = run("--queries", 1, "--scenario", "offline")
        assert f"wrote results/bench-00{number}" in done.stderr
    again = run("--queries", 1, "--out", "results/bench-001")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "results/bench-001 exists already" in again.stderr


def test_two_bundles_take_turns_and_are_compared(run, pair) -> None:
    """The same queries for both, a row a scenario and stage; two of one name are told apart."""
    asked = ("--queries", 49, "--scenario", "single", "--scenario", "offline")
    done = run(*asked, "--against", pair / "other", "--out", "report")
    assert done.exit_code == 0, done.stderr
    rows = [line.split("|")[2].strip() for line in done.stdout.split("B / A")[1].splitlines()[2:14]]
    assert rows == [*PARTS, "batch", "batch, CPU"]
    assert [one["subject"] for one in result_of("report")["runs"]] == ["birds", "other"] * 2
    done = run(*asked, "--against", pair / "birds", "--out", "same")
    assert [one["name"] for one in result_of("same")["subjects"]] == ["birds (1)", "birds (2)"]


def test_two_results_are_compared(run) -> None:
    """Of the same machine and settings; others are refused, and with --anyway told."""
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        run("--queries", 49, "--scenario", "single", "--seed", seed, "--out", name)
    done = run("compare", "a", "b/result.json")
    assert done.exit_code == 0
    assert "not the same" not in done.stderr
    assert [line.split("|")[2].strip() for line in done.stdout.splitlines()[2:]] == PARTS
    refused = run("compare", "a", "c")
    assert refused.exit_code == 1
    assert "A and B differ in seed (7 and 8)" in refused.stderr
    anyway = run("compare", "a", "c", "--anyway")
    assert anyway.exit_code == 0
    assert "not the same in both: seed (7 and 8)" in anyway.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seconds", 0], "0 seconds measure nothing; give more than 0"),
        (["--queries", -3], "-3 queries measure nothing"),
        (["--rate", 0], "0 queries a second cannot be served"),
        (["--rate", 1e7, "--seconds", 9, "--scenario", "server"], "90,000,000 queries at 1e+07"),
        (["--p99", 5, "--queries", 20], "20 queries prove no bound on p99, which takes 459"),
        (["--index", "nowhere"], "there is no index nowhere; make it with 'zscr index add'"),
        (["--file", "empty.txt"], "empty.txt holds only 1 empty lines"),
        (["--file", "odd.txt"], "no query of odd.txt can be answered: "),
        (["--against", "nowhere"], "there is no bundle nowhere"),
        (["compare", "empty.txt", "empty.txt"], "empty.txt is no result of 'zscr bench'"),
        (["compare", "nowhere", "nowhere"], "there is no result nowhere"),
    ],
)
def test_what_cannot_be_measured(run, words: list[Any], said: str) -> None:
    """One sentence says so, nothing is written."""
    Path("empty.txt").write_text("\n")
    Path("odd.txt").write_text("??\n")
    done = run(*words)
    assert done.exit_code == 1, done.output
    assert said in done.stderr.splitlines()[-1]
    assert not Path("results").exists()


def test_options_of_a_measurement_do_not_go_with_compare(run) -> None:
    """They would be passed over unseen."""
    done = run("--queries", 3, "compare", "a", "b")
    assert done.exit_code == 2
    assert "goes with 'zscr bench' alone" in done.stderr


def test_what_cannot_be_answered_is_left_out_and_told(run) -> None:
    """Of three lines two are asked."""
    Path("some.txt").write_text("a robin\n???\na wren\n")
    done = run("--file", "some.txt", "--queries", 8, "--scenario", "single", "--out", "report")
    assert "1 of 3 queries cannot be answered and are left out: " in done.stderr
    asked = result_of("report")["queries"]
    assert (asked["count"], asked["refused"], asked["source"]) == (2, 1, "some.txt")


def test_a_bound_that_no_rate_keeps(run) -> None:
    """The report is written, and the exit code says it."""
    done = run("--scenario", "server", "--p99", 0.0001, "--out", "report")
    assert done.exit_code == 1
    assert "server: no rate keeps p99 within 0.0001 ms: of queries that wait" in done.stderr
    assert result_of("report")["runs"] == []


def test_a_ctrl_c_keeps_what_was_measured(pair: Path, tmp_path: Path) -> None:
    """While the server waits for an arrival that is far away: exit 130, single is in the report."""
    words = [sys.executable, "-m", "zscr.cli", "bench", "--bundle", str(pair / "birds")]
    words += ["--queries", "5", "--rate", "0.0001", "--out", "report", "--threads", "1"]
    running = subprocess.Popen(
        [*words, "--workers", "2"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("server: 5 queries"):
            break
    running.send_signal(signal.SIGINT)
    out, told = running.communicate(timeout=120)
    assert running.returncode == 130, told
    assert "wrote report\nwhat was measured until then is kept\ninterrupted\n" in told
    assert "Interrupted" in out
    result = result_of(str(tmp_path / "report"))
    assert result["interrupted"]
    assert [one["scenario"] for one in result["runs"]] == ["single"]
