"""Queries on CUDA: torch and onnxruntime, eager, compiled and recorded, beside what bytes allow.

    python benchmarks/cuda_query.py --seconds 200
    python benchmarks/cuda_query.py --device cpu --size tiny --seconds 60

The work is done by `cuda_sections.py`, in a process that goes on from section to section: a CUDA
error may leave nothing usable behind, so where the process dies, another begins with the section
that it died in and without the contender that it was about to run, and the result says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
MOST = 5  # processes
SPARE = 15.0  # seconds that a further process needs to begin


def main() -> int:
    words = sys.argv[1:]
    if "-h" in words or "--help" in words:
        return subprocess.run([sys.executable, HERE / "cuda_sections.py", "--help"]).returncode
    seconds = float(words[words.index("--seconds") + 1]) if "--seconds" in words else 200.0
    begin, more = time.monotonic(), ["--afresh"]
    for _ in range(MOST):
        left = seconds - (time.monotonic() - begin)
        command = [sys.executable, str(HERE / "cuda_sections.py"), *words, *more]
        status = subprocess.run([*command, "--seconds", str(left)]).returncode
        if status in (0, 2) or seconds - (time.monotonic() - begin) < SPARE:
            return status
        more = going_on(status, HERE / "results" / file_of(words), more)
    return status


def file_of(words: list[str]) -> str:
    """Return the name of the file of results."""
    return "cuda_query_cpu.json" if "cpu" in words else "cuda_query.json"


def going_on(status: int, path: Path, before: list[str]) -> list[str]:
    """Note how a process died; return the options of the next."""
    result = json.loads(path.read_text())
    at = result["at"]
    result.setdefault("deaths", []).append(at | {"status": status})
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"cuda_query: a process died with status {status} at {at}", file=sys.stderr)
    without = before[before.index("--without") :] if "--without" in before else []
    if at["contender"]:
        without = [*without, "--without", at["contender"]]
    return ["--begin", str(at["section"] + (not at["contender"])), *without]


if __name__ == "__main__":
    sys.exit(main())
