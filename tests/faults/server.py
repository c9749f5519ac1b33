"""Runs writers in forked children, one call to the disk of which fails; see `harness.py`.

A job is a line on stdin: {"writer", "step", "folder", "at", "action", "lasting"}. `step` is the
part of the writer to run: `begin`, `write`, `state` or `between`. The answer is a line {"status",
"error", "known", "state", "ops"}; `status` is negative for a signal, `known` whether the error is
one of zscr's own, `ops` what each call to the disk was.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from writers import WRITERS

from zscr.errors import ZscrError


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Do a step in this process, which may end here."""
    os.chdir(job["folder"])
    step = getattr(WRITERS[job["writer"]], job["step"])
    shim = ctypes.CDLL(None)
    shim.faults_op.restype = ctypes.c_char_p
    answer: dict[str, Any] = {"error": "", "known": True, "state": None}
    if job["step"] == "write":
        folder = os.fsencode(os.path.realpath(job["folder"]))
        shim.faults_begin(folder, job["at"], job["action"], job["lasting"])
    try:
        found = step()
        if job["step"] == "between":
            answer["state"] = [*map(repr, found)]
        elif job["step"] == "state":
            answer["state"] = repr(found)
    except ZscrError as error:
        answer["error"] = str(error)
    except Exception:  # noqa: BLE001  # it is reported, which is what a fault of zscr's is here
        answer |= {"error": traceback.format_exc(), "known": False}
    ops = []
    while op := shim.faults_op(len(ops)):
        ops.append(op.decode())
    return answer | {"ops": ops}


def serve() -> None:
    """Answer jobs, each in a child, until stdin ends."""
    for line in sys.stdin:
        job = json.loads(line)
        with tempfile.NamedTemporaryFile(dir=Path(job["folder"]).parent) as report:
            child = os.fork()
            if child == 0:
                Path(report.name).write_text(json.dumps(run(job)))
                os._exit(0)
            _, status = os.waitpid(child, 0)
            said = json.loads(Path(report.name).read_text() or "{}")
        said["status"] = os.waitstatus_to_exitcode(status)
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    import importlib

    for module in sys.argv[1:]:  # which each child would otherwise import anew
        importlib.import_module(module)
    serve()
