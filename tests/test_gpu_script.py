"""scripts/gpu says in one sentence that no GPU is here, and lists every part where one is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(folder: Path, smi: str, python: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the script with these words as nvidia-smi and as python3."""
    (folder / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/gpu", folder / "scripts/gpu")
    (folder / "bin").mkdir()
    for name, body in (("nvidia-smi", smi), ("python3", python)):
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / "bin" / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    call = ["bash", str(folder / "scripts/gpu")]
    return subprocess.run(call, env=environment, capture_output=True, text=True, check=False)


def test_without_a_gpu_it_is_one_sentence(tmp_path: Path) -> None:
    """Nothing runs and nothing is written."""
    done = run(tmp_path, "exit 9", "exit 0")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "nvidia-smi lists no GPU here" in done.stderr
    assert not (tmp_path / "benchmarks").exists()


@pytest.mark.parametrize(("python", "status"), [("exit 0", 0), ('test "$3" = pytest', 1)])
def test_every_part_is_listed_with_its_outcome(tmp_path: Path, python: str, status: int) -> None:
    """A part that fails fails the whole, and does not stop the others; so is what is left out."""
    done = run(tmp_path, '[ "$1" = -L ] && echo "GPU 0: x" || echo "x, 1.2"', python)
    assert done.returncode == status, done.stderr
    listed = json.loads((tmp_path / "benchmarks/results/gpu.json").read_text())
    outcomes = [part["outcome"].split(":")[0] for part in listed["parts"]]
    speed = "passed" if status == 0 else "failed with status 1"
    assert outcomes == ["passed", *(speed,) * 10, *("skipped",) * status]
    assert listed["gpu"] == "x, 1.2"


def test_all_parts_together_end_within_thirteen_minutes() -> None:
    """Each part has a limit; those in a loop run once for each of three precisions."""
    script = (ROOT / "scripts/gpu").read_text()
    limits = [
        (line, int(limit)) for line, limit in re.findall(r'^( *)part ".*?" (\d+)', script, re.M)
    ]
    assert len(limits) == script.count('part "')
    assert sum(limit * (3 if indent else 1) for indent, limit in limits) <= 780
