"""Runs zscr commands in forked children that get a signal at a chosen moment; see `conftest.py`.

A job is a line on stdin: {"args", "cwd", "at", "call", "signal", "times", "graphs", "home"}, of
which `home` is `$ZSCR_HOME`. A child counts
the calls that change the disk, the rounds of training and the steps of its optimizers, and sends
itself the signal before number `at` (0: never) of them all, or of those named `call`. With a folder
`graphs`, `args` are `export RUN`, and `deploy` takes its graphs from there instead of tracing anew.
The answer is a line {"status", "calls", "stderr"}; `status` is negative for a signal, as usual.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import onnx
import torch
import torch._dynamo  # which each child would otherwise import anew
from click.testing import CliRunner

import zscr.train.fit  # noqa: F401
import zscr.train.methods.zscrgan.improved.method
import zscr.train.methods.zscrgan.reference.method  # noqa: F401
from zscr.cli import main
from zscr.export.deploy import deploy

DISK = ("replace", "rename", "fsync", "unlink", "symlink")
# Of any method: `train_round` of the contract, `update` of an optimizer that is not torch's.
TRAINING = {"train_round": "round", "update": "step"}


def run(job: dict[str, Any], report: str) -> int:
    """Do a job in this process, which may end here; else write to `report` what is to be said."""
    calls: list[str] = []

    def note(name: str) -> None:
        calls.append(name)
        number = calls.count(name) if job["call"] else len(calls)
        if number == job["at"] and job["call"] in ("", name):
            for _ in range(job["times"]):
                os.kill(os.getpid(), job["signal"])

    watch_disk(note)
    watch_training(note)
    os.chdir(job["cwd"])
    os.environ["ZSCR_HOME"] = job["home"]
    answer, code = export(job) if job["graphs"] else command(job)
    with open(report, "w") as file:
        json.dump({"calls": calls, **answer}, file)
    return code


def watch_disk(note: Callable[[str], None]) -> None:
    """Let each call of `os` that changes the disk be noted before it is made."""

    def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            note(name)
            return function(*args, **options)

        return call

    for name in DISK:
        setattr(os, name, noted(name, getattr(os, name)))


def watch_training(note: Callable[[str], None]) -> None:
    """Let the beginning of each round and step be noted, as a debugger sees it.

    No seam is at both: a command names its method, which makes its own optimizers, and torch has
    hooks for `step` alone. So calls are looked at; nothing of zscr is replaced.
    """

    def look(frame: FrameType, event: str, arg: object) -> None:
        code = frame.f_code
        if code.co_name in TRAINING and "/train/methods/" in code.co_filename:
            note(TRAINING[code.co_name])

    sys.settrace(look)  # which sees calls only, for it returns no function for lines


def command(job: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Run a command -> what it said on stderr and why it failed, and its exit status."""
    result = CliRunner().invoke(main, job["args"])
    error = repr(result.exception) if result.exc_info and result.exit_code == 1 else ""
    return {"stderr": result.stderr, "error": error}, result.exit_code


def export(job: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Deploy a run with graphs that are there -> nothing to say, and 0."""
    name, folder = job["args"]
    assert name == "export", job
    deploy(Path(folder), build=lambda one: onnx.load(f"{job['graphs']}/{one.name}.onnx"))
    return {"stderr": "", "error": ""}, 0


def serve() -> None:
    """Answer jobs, each in a child, until stdin ends."""
    torch.set_num_threads(1)
    for line in sys.stdin:
        job = json.loads(line)
        with tempfile.NamedTemporaryFile() as report:
            child = os.fork()
            if child == 0:
                code = 70
                try:
                    code = run(job, report.name)
                finally:
                    os._exit(code)
            _, status = os.waitpid(child, 0)
            said = open(report.name).read() or "{}"
        answer = {"status": os.waitstatus_to_exitcode(status), **json.loads(said)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
