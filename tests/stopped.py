"""Runs that are stopped and go on: the commands, and what must be the same afterwards."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zscr.train.run import Run, open_run

RUN = Path("runs/x")
RESUME = ["train", "--resume", "--out", str(RUN)]
Killer = Callable[..., dict[str, Any]]


def training(method: str, collection: Path, settings: Mapping[str, Any]) -> list[str]:
    """Return the command that trains the run."""
    pairs = [f"{name}={value}" for name, value in settings.items()]
    told = [word for pair in pairs for word in ("--set", pair)]
    where = ["--collection", str(collection), "--out", str(RUN), "--device", "cpu"]
    return ["train", method, *where, *told]


def contents(run: Path) -> dict[str, Any]:
    """Return a run's files: bytes of all but the log, whose seconds are another run's own."""
    files: dict[str, Any] = {p.name: p.read_bytes() for p in run.iterdir()}
    del files["writer.lock"]  # a process id
    rows = [json.loads(line) for line in files["metrics.jsonl"].splitlines()]
    files["metrics.jsonl"] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
    return files


def killed_and_resumed(killer: Killer, command: list[str], folder: Path) -> Run:
    """Kill between two checkpoints and in the last round, and compare what goes on from there.

    Returns:
        The run that was not stopped.
    """
    whole = folder / "whole"
    whole.mkdir()
    done = killer(command, whole)
    assert done["status"] == 0, done
    expected = contents(whole / RUN)
    for at in (4, done["calls"].count("round")):
        again = folder / f"whole-{at}"  # from there the collection's relative place is the same
        again.mkdir()
        killed = killer(command, again, at=at, call="round")
        assert killed["status"] == -signal.SIGKILL, at
        resumed = killer(RESUME, again)
        assert resumed["status"] == 0, (at, resumed)
        assert contents(again / RUN) == expected, at
    return open_run(whole / RUN)
