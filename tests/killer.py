"""Runs zscr commands in forked children that get a signal at a chosen moment; see `conftest.py`.

A job is a line on stdin: {"args", "cwd", "at", "call", "signal", "times", "graphs"}. A child counts
the calls that change the disk, the rounds of training and the steps of its optimizers, and sends
itself the signal before number `at` (0: never) of them all, or of those named `call`. An export
takes its graphs from the folder `graphs`, if one is given, instead of tracing anew. The answer is a
line {"status", "calls", "stderr"}; `status` is negative for a signal, as usual.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import onnx
import torch
import torch._dynamo  # which each child would otherwise import anew
from click.testing import CliRunner

import zscr.export.bundle
import zscr.train.fit
from zscr.cli import main
from zscr.train.methods.zscrgan.improved import method as improved
from zscr.train.methods.zscrgan.reference import method as reference
from zscr.train.methods.zscrgan.reference.optimizers import TFAdam, TFRMSprop

DISK = ("replace", "rename", "fsync", "unlink", "symlink")


def run(job: dict[str, Any], report: str) -> int:
    calls: list[str] = []

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            calls.append(name)
            number = calls.count(name) if job["call"] else len(calls)
            if number == job["at"] and job["call"] in ("", name):
                for _ in range(job["times"]):
                    os.kill(os.getpid(), job["signal"])
            return function(*args, **options)

        return call

    for name in DISK:
        setattr(os, name, counted(name, getattr(os, name)))
    for method in (improved.Method, reference.Method):
        method.train_round = counted("round", method.train_round)
    for optimizer in (TFAdam, TFRMSprop):
        optimizer.update = counted("step", optimizer.update)
    if graphs := job["graphs"]:
        zscr.export.bundle.build_graph = lambda head: onnx.load(f"{graphs}/{head.name}.onnx")
    os.chdir(job["cwd"])
    result = CliRunner().invoke(main, job["args"])
    error = repr(result.exception) if result.exc_info and result.exit_code == 1 else ""
    with open(report, "w") as file:
        json.dump({"calls": calls, "stderr": result.stderr, "error": error}, file)
    return result.exit_code


def serve() -> None:
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
