"""A training that was stopped goes on to the bytes of one that was not."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zscr.train.run import open_run

RUN = Path("runs/x")
Killer = Callable[..., dict[str, Any]]
SETTINGS = {"rounds": 5, "validate_every": 2, "batch_classes": 4, "batch_each": 2, "dim": 8}
SETTINGS |= {"lr": 0.01, "head_lr": 0.01, "closed_form": False, "seed": 3}


def start(collection: Path, backbone: Path) -> list[str]:
    pairs = [f"{name}={value}" for name, value in (SETTINGS | {"backbone": backbone}).items()]
    settings = [word for pair in pairs for word in ("--set", pair)]
    where = ["--collection", str(collection), "--out", str(RUN), "--device", "cpu"]
    return ["train", "cmaan", *where, *settings]


def contents(run: Path) -> dict[str, Any]:
    """Return a run's files: bytes of all but the log, whose seconds are another run's own."""
    files: dict[str, Any] = {p.name: p.read_bytes() for p in run.iterdir()}
    del files["writer.lock"]  # a process id
    rows = [json.loads(line) for line in files["metrics.jsonl"].splitlines()]
    files["metrics.jsonl"] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
    return files


def test_kill_then_resume_gives_the_same_bytes(
    killer: Killer, drawn: Path, backbone: Path, tmp_path: Path
) -> None:
    """kill -9 between two checkpoints, and in the refit, which has more classes to tell apart."""
    whole = tmp_path / "whole"
    whole.mkdir()
    done = killer(start(drawn, backbone), whole)
    assert done["status"] == 0, done
    expected = contents(whole / RUN)
    for at in (4, done["calls"].count("round")):
        folder = tmp_path / f"whole-{at}"
        folder.mkdir()
        killed = killer(start(drawn, backbone), folder, at=at, call="round")
        assert killed["status"] == -signal.SIGKILL, at
        again = killer(["train", "--resume", "--out", str(RUN)], folder)
        assert again["status"] == 0, (at, again)
        assert contents(folder / RUN) == expected, at
    made = open_run(whole / RUN)
    assert (made.refitted, made.step > 0) == (True, True)
