"""Regular files: what is refused is what the kernel makes up now, not what once had its number."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from zscr.regular import irregular


def mount(kind: str, folder: Path) -> None:
    """Mount a file system, or skip the test where that may not be done."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", kind, kind, folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"{kind} cannot be mounted here: {done.stderr.decode().strip()}")


def test_a_disk_may_have_the_number_of_a_file_system_that_is_gone(tmp_path):
    """A search that runs for long meets disks that were mounted after its start."""
    mount("devpts", tmp_path / "disk")
    number = os.stat(tmp_path / "disk").st_dev
    try:
        assert irregular(Path("/proc/self/status")) == "a file of the kernel"
    finally:
        subprocess.run(["umount", tmp_path / "disk"], check=True)
    mount("tmpfs", tmp_path / "disk")
    try:
        (tmp_path / "disk/1.png").write_bytes(b"image")
        if os.stat(tmp_path / "disk").st_dev != number:
            pytest.skip("another process has mounted something in between")
        assert irregular(tmp_path / "disk/1.png") is None
    finally:
        subprocess.run(["umount", tmp_path / "disk"], check=True)
    assert irregular(Path("/proc/self/status")) == "a file of the kernel"
