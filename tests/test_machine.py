"""What a measurement was taken on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from zscr.machine import describe

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout")
def test_the_commit_is_the_checkouts_wherever_it_is_called_from(tmp_path: Path) -> None:
    """As git names it, also for a process in another folder that imports zscr by its links."""
    words = ["git", "rev-parse", "--short=12", "HEAD"]
    name = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    script = "import json; from zscr.machine import describe; print(json.dumps(describe()))"
    call = [sys.executable, "-c", script]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["commit"].removesuffix("-dirty") == name
    assert found["packages"]["numpy"] is not None
    assert found["flags"] == describe()["flags"]
    assert found["cpu"]


def test_a_package_that_is_not_there_has_no_version() -> None:
    """A measurement that did without it says so."""
    assert describe(("numpy", "no-such-package"))["packages"]["no-such-package"] is None
