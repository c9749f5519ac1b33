"""Makes every call of a writer to the disk fail in turn, and looks at what it leaves.

Whatever fails, a reader finds what was there before or what was to be there after; the writer says
one sentence; and when it is run again, it ends with what was to be, and leaves nothing else.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from writers import WRITERS

HERE = Path(__file__).parent
SHORT, KILL = -1, -2  # as the shim has them
# name -> what the call does, and whether all that need space fail after it
ACTIONS = {
    "disk full": (errno.ENOSPC, True),
    "one write refused": (errno.ENOSPC, False),
    "input/output error": (errno.EIO, False),
    "file too large": (errno.EFBIG, False),
    "short write": (SHORT, False),
    "kill": (KILL, False),
}
# What a server imports before it forks; of `HEAVY`, torch and onnx take seconds.
LIGHT = ["PIL.Image", "hnswlib", "zscr.infer.index.index", "zscr.infer.answers.writers"]
HEAVY = {
    "bundle": ["torch._dynamo", "zscr.export.bundle", "zscr.export.begun", "zscr.train.fit"],
    "run": ["torch._dynamo", "zscr.train.run", "zscr.train.methods.zscrgan.reference.method"],
    "encoder": ["onnx", "zscr.train.encoders.folder"],
}


def compile_shim(folder: Path) -> Path:
    """Compile `shim.c` into a folder.

    Raises:
        FileNotFoundError: there is no compiler.
        subprocess.CalledProcessError: it refuses, and has said why.
    """
    out = folder / "shim.so"
    command = ["gcc", "-O1", "-shared", "-fPIC", "-o", out, HERE / "shim.c", "-ldl"]
    subprocess.run(command, check=True)
    return out


class Disk:
    """Runs the steps of writers with the shim before the C library."""

    def __init__(self, shim: Path, modules: list[str]) -> None:
        command = [sys.executable, str(HERE / "server.py"), *modules]
        self.server = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "LD_PRELOAD": str(shim)},
            text=True,
        )

    def __enter__(self) -> Disk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.close()
        self.server.stdout.close()
        self.server.wait()

    def run(
        self, writer: str, step: str, folder: Path, at: int = 0, action: str = "kill"
    ) -> dict[str, Any]:
        """Run a step; its call number `at` (0: none) has a fault."""
        what, lasting = ACTIONS[action]
        job = {"writer": writer, "step": step, "folder": str(folder)}
        job |= {"at": at, "action": what, "lasting": int(lasting)}
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(job) + "\n")
        self.server.stdin.flush()
        answer: dict[str, Any] = json.loads(self.server.stdout.readline())
        return answer


@dataclass(frozen=True)
class Point:
    """One call of a writer that has a fault; `op` is what it does."""

    at: int
    op: str
    action: str

    def __str__(self) -> str:
        return f"{self.action} at call {self.at} ({self.op})"


class Trial:
    """A writer on a disk: what is there before and after, and its points."""

    def __init__(self, disk: Disk, writer: str, base: Path) -> None:
        self.disk, self.writer, self.base = disk, writer, base
        (base / "before").mkdir(parents=True)
        self._sound("begin", base / "before")
        self.before = self._sound("state", base / "before")["state"]
        with self._copy() as folder:
            self.ops = self._sound("write", folder)["ops"]
            self.after = self._sound("state", folder)["state"]
            self.tree = _names(folder)
        with self._copy() as folder:
            self.known = {self.before, self.after, *self._sound("between", folder)["state"]}

    def points(self) -> list[Point]:
        """Return every call with every fault that it can have."""
        return [
            Point(number, op, action)
            for number, op in enumerate(self.ops, 1)
            for action in ACTIONS
            if op == "write" or action not in ("short write", "file too large")
        ]

    def judge(self, point: Point) -> list[str]:
        """Return what is wrong at a point, nothing if all is right."""
        with self._copy() as folder:
            done = self.disk.run(self.writer, "write", folder, point.at, point.action)
            faults = [*self._told(point, done), *self._state(folder, done)]
            if done["status"] == 0 and point.op != "unlink":
                faults += [f"left {name}" for name in self._debris(folder)]
            again = self.disk.run(self.writer, "write", folder)
            if again["error"] or again["status"]:
                return [*faults, f"when run again: {again}"]
            if (state := self._sound("state", folder)["state"]) != self.after:
                faults.append(f"when run again, {state}")
            if left := _names(folder) - self.tree:
                faults.append(f"when run again, left {sorted(left)}")
            return [f"{self.writer}, {point}: {fault}" for fault in faults]

    def _debris(self, folder: Path) -> list[str]:
        left = _names(folder) - self.tree - _names(self.base / "before")
        kept = WRITERS[self.writer].keeps
        return sorted(name for name in left if not re.fullmatch(kept, name))

    def _told(self, point: Point, done: dict[str, Any]) -> Iterator[str]:
        killed = point.action == "kill"
        if done["status"] != (-9 if killed else 0):
            yield f"ended with {done['status']}"
        elif not killed and not done["known"]:
            yield f"no sentence, but {done['error']}"
        elif done.get("error", "").count("\n"):
            yield f"more than a sentence: {done['error']}"
        elif point.action == "short write" and done["error"]:
            yield f"the rest was not written: {done['error']}"

    def _state(self, folder: Path, done: dict[str, Any]) -> Iterator[str]:
        found = self.disk.run(self.writer, "state", folder)
        success = done["status"] == 0 and not done["error"]
        if found["error"]:
            yield f"unreadable: {found['error']}"
        elif found["state"] not in self.known:
            yield f"neither before nor after: {found['state']}"
        elif success and found["state"] != self.after:
            yield "said to be done, and is not"

    def _sound(self, step: str, folder: Path) -> dict[str, Any]:
        done = self.disk.run(self.writer, step, folder)
        assert done["status"] == 0, done
        assert not done["error"], done["error"]
        return done

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        folder = self.base / "copy"
        shutil.copytree(self.base / "before", folder, symlinks=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
