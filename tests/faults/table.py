# ruff: noqa: T201
"""Makes every call to the disk of each writer fail in turn, and prints a table of what was left.

scripts/faults                       every writer of tests/faults/writers.py
scripts/faults "index change" run    those that are named

Exit 1: something was neither as before nor as after, debris was left, or a fault was no sentence.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from harness import HEAVY, LIGHT, Disk, Trial, compile_shim
from writers import WRITERS


def judge(shim: Path, writer: str, base: Path) -> list[str]:
    """Try every point of a writer, print its row of the table; return what is wrong."""
    begin = time.monotonic()
    with Disk(shim, HEAVY.get(writer, LIGHT)) as disk:
        trial = Trial(disk, writer, base)
        points = trial.points()
        faults = [fault for point in points for fault in trial.judge(point)]
    neither = sum("neither before nor after" in f or "unreadable" in f for f in faults)
    row = len(trial.ops), len(points), neither, len(faults) - neither
    print(f"| {writer} | " + " | ".join(map(str, row)) + f" | {time.monotonic() - begin:.0f} s |")
    sys.stdout.flush()
    return faults


def main() -> int:
    """Judge the writers that are named, or all; return the exit status."""
    named = sys.argv[1:] or sorted(WRITERS.keys() - {"careless"})
    print("| writer | calls | points tried | neither before nor after | other faults | time |")
    print("|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        shim = compile_shim(Path(folder))
        faults = [f for one in named for f in judge(shim, one, Path(folder) / one)]
    print("\n".join(["", *faults]) if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
