"""A seeded few of the flips and kills of `scripts/index-faults`: nothing is served wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from index_faults import judge_flip, make_index

from zscr.lock import LOCK

SCRIPT = Path(__file__).with_name("index_faults.py")


def test_flips_and_kills_leave_what_was_or_what_was_to_be():
    """Flips in every file, half of them in its head; kills of the first writers, at any time."""
    options = ["--flips", "64", "--kills", "4", "--seed", "7"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # One file of eight is the lock, which holds nothing.
    said = re.match(r"64 flips: 56 refused by name, 8 change no answer; .* 0 faults", done.stdout)
    assert said, done.stdout


def test_a_wrong_answer_would_be_told(tmp_path):
    """The judge says so of an index that answers otherwise than it should."""
    make_index(tmp_path / "index")
    assert judge_flip(tmp_path / "index", LOCK, 0, []) == "another answer was served"
