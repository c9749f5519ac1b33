# ruff: noqa: T201
"""Flips bits of an index's files and kills its writers, at random; prints a line of counts.

scripts/index-faults --flips 10000 --kills 200 --seed 0

A flip of one bit, in any file, must be refused in a sentence that names the file or the index, or
leave every answer as it is; whoever then proves the index must refuse it, unless the bit is the
lock's. A writer that is killed must leave what was, what was to be, or what it stops at in between;
run again, it must end with what was to be and leave nothing else. Exit 1: something did not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from writers import WRITERS

from zscr.errors import ArtefactError
from zscr.infer.index.index import Change, Entry, Index
from zscr.lock import LOCK

BATCH = 50  # flips a child
ROWS, DIM = 2200, 512  # the first segment has over 4 MiB, so that its blocks have hashes
# A writer is run by its name, and a rerun of it by the same name ends in the same files.
KILLED = sorted(name for name in WRITERS if name.startswith("index "))


def make_index(folder: Path) -> None:
    """Make an index with every kind of file, rows that are ended, and some that HNSW has not."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((ROWS + 40, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    entries = [Entry(f"{n}", f"{n:064x}", f"/photos/{n}.jpg") for n in range(ROWS + 40)]
    first = {"entries": entries[:ROWS], "vectors": rows[:ROWS], "features": rows[:ROWS, :8] * 0}
    first["features"][:, 0] = 1  # type: ignore[index]
    about: dict[str, Any] = {"space": "b", "bundle_name": "birds", "search": "hnsw", "threads": 2}
    about |= {"queries": rows[:64], "errors": [{"image": "/photos/x", "reason": "torn"}]}
    index = Index.create(folder, **first, **about)  # type: ignore[arg-type]
    late = slice(ROWS, ROWS + 40)
    ones = np.eye(1, 8).repeat(40, 0)
    index.apply(Change(entries[late], rows[late], features=ones, removals=["3", "77"]))


def answers(folder: Path) -> list[Any]:
    """Return what an index finds for some queries, by HNSW and exactly, and all that it holds."""
    rng = np.random.default_rng(1)
    asked = rng.standard_normal((4, DIM)).astype(np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    index = Index.open(folder)
    found = [index.search(asked, 5, exact=exact) for exact in (False, True)]
    hits = [[(m.entry, m.score) for m in own] for each in found for own in each]
    return [hits, index.count, index.errors, index.how]


def judge_flip(folder: Path, name: str, bit: int, sound: list[Any]) -> str:
    """Flip a bit, look, and flip it back; return `refused`, `unchanged`, or what is wrong."""
    path = folder / name
    flip(path, bit)
    try:
        verdict = "unchanged" if answers(folder) == sound else "another answer was served"
    except ArtefactError as error:
        named = name in str(error) or str(folder) in str(error)
        verdict = "refused" if named else f"refused without a name: {error}"
    except Exception as error:  # noqa: BLE001  # it is told, which is what a fault is here
        verdict = f"no sentence: {error!r}"
    if verdict == "unchanged" and name != LOCK:
        try:
            Index.open(folder).prove()
            verdict = "proved although it is damaged"
        except ArtefactError:
            pass
    flip(path, bit)
    return verdict


def flip(path: Path, bit: int) -> None:
    """Flip a bit of a file, in place."""
    with path.open("r+b") as file:
        file.seek(bit // 8)
        [byte] = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def flips(base: Path, count: int, draw: random.Random) -> Counter[str]:
    """Flip bits in children, since a crash must end no more than one; return the verdicts."""
    folder = base / "index"
    make_index(folder)
    sound, verdicts = answers(folder), Counter[str]()
    files = sorted(path for path in folder.iterdir() if path.stat().st_size)
    # Half of them in the first 4 KiB, where headers and offsets are.
    most = [
        min(8 * path.stat().st_size, 8 * 4096 if n % 2 else 1 << 60)
        for n in (0, 1)
        for path in files
    ]
    todo = []
    for number in range(count):
        which = number % len(most)
        todo.append((files[which % len(files)].name, draw.randrange(most[which])))
    held = {path: path.read_bytes() for path in files}
    while todo:
        batch, said = todo[:BATCH], base / "said"
        said.write_text("")
        status = in_child(lambda: tell(said, folder, batch, sound))  # noqa: B023
        lines = said.read_text().splitlines()
        verdicts.update(map(json.loads, lines))
        if status:
            verdicts[f"ended with {status} at {batch[len(lines)]}"] += 1
            for path, content in held.items():
                path.write_bytes(content)
        todo = todo[len(lines) + bool(status) :]
    assert answers(folder) == sound, "every flip was flipped back"
    return verdicts


def tell(said: Path, folder: Path, batch: list[tuple[str, int]], sound: list[Any]) -> None:
    """Judge flips; write a line of each as soon as it is known."""
    with said.open("a") as file:
        for name, bit in batch:
            verdict = judge_flip(folder, name, bit, sound)
            wrong = verdict not in ("refused", "unchanged")
            file.write(json.dumps(f"{name}, bit {bit}: {verdict}" if wrong else verdict) + "\n")
            file.flush()


def in_child(work: Callable[[], object], kill_after: float | None = None) -> int:
    """Fork, work, and perhaps be killed meanwhile; return the exit status, negative of a signal."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            work()
            code = 0
        finally:
            os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Killed:
    """A writer, what was there before it and what after, and how long it takes."""

    def __init__(self, name: str, base: Path) -> None:
        self.name, self.writer, self.base = name, WRITERS[name], base
        (base / "before").mkdir(parents=True)
        self.run("begin", base / "before")
        before = self.found(base / "before")
        with_one = self.copied("after")
        start = time.monotonic()
        self.run("write", with_one)
        self.seconds = time.monotonic() - start
        self.after = self.found(with_one)
        self.tree = names(with_one)
        passed = self.copied("between")
        self.known = [before, self.after, *self.run("between", passed)]

    def judge(self, draw: random.Random) -> list[str]:
        """Kill it once; return whether it was killed or was done, and what is wrong."""
        folder = self.copied("trial")
        after = draw.random() * self.seconds
        status = in_child(lambda: self.step("write", folder), kill_after=after)
        faults = [] if status in (0, -signal.SIGKILL) else [f"ended with {status}"]
        if self.found(folder) not in self.known:
            faults.append(f"neither before nor after: {self.found(folder)}")
        self.run("write", folder)
        if self.found(folder) != self.after:
            faults.append(f"when run again: {self.found(folder)}")
        if left := names(folder) - self.tree:
            faults.append(f"when run again, left {sorted(left)}")
        return [f"{self.name} after {after:.3f} s: {fault}" for fault in faults] or [
            "killed" if status else "done"
        ]

    def copied(self, name: str) -> Path:
        """Return a new copy of what was there before."""
        shutil.rmtree(self.base / name, ignore_errors=True)
        shutil.copytree(self.base / "before", self.base / name, symlinks=True)
        return self.base / name

    def found(self, folder: Path) -> Any:
        """Return what a reader finds, in a process of its own."""
        [state] = self.run("state", folder)
        return state

    def run(self, step: str, folder: Path) -> list[str]:
        """Do a step in a child, which must succeed; return the states that it saw."""
        said = self.base / "said"
        said.write_text("[]")
        status = in_child(lambda: said.write_text(json.dumps(self.step(step, folder))))
        assert status == 0, f"{self.name}: {step} ended with {status}"
        states: list[str] = json.loads(said.read_text())
        return states

    def step(self, step: str, folder: Path) -> list[str]:
        """Do a step in this process."""
        os.chdir(folder)
        found = getattr(self.writer, step)()
        states = {"state": lambda: [found], "between": lambda: found}.get(step, list)()
        return [*map(repr, states)]


def names(folder: Path) -> set[str]:
    """Return the names of all below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def kills(base: Path, count: int, draw: random.Random) -> Counter[str]:
    """Kill writers in turns; return the verdicts."""
    killed = [Killed(name, base / name.replace(" ", "-")) for name in KILLED[:count]]
    verdicts = Counter[str]()
    for number in range(count):
        verdicts.update(killed[number % len(killed)].judge(draw))
    return verdicts


def main() -> int:
    """Flip and kill; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flips", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw, start, counts = random.Random(arguments.seed), time.monotonic(), Counter[str]()
    with tempfile.TemporaryDirectory() as work:
        os.environ["ZSCR_CACHE"] = str(Path(work) / "cache")
        if arguments.flips:
            counts |= flips(Path(work), arguments.flips, draw)
        if arguments.kills:
            counts |= kills(Path(work), arguments.kills, draw)
    wrong = {
        said: n
        for said, n in counts.items()
        if said not in ("refused", "unchanged", "killed", "done")
    }
    for said, number in wrong.items():
        print(f"{number} times: {said}")
    flipped = f"{counts['refused']} refused by name, {counts['unchanged']} change no answer"
    killed = f"{counts['killed']} while it wrote, {counts['done']} when it was done"
    print(
        f"{arguments.flips} flips: {flipped}; {arguments.kills} kills: {killed}; "
        f"{sum(wrong.values())} faults; seed {arguments.seed}, {time.monotonic() - start:.0f} s"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
