"""A disk that fills up while a run is written costs no checkpoint that was made before."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest

from zscr.errors import ArtefactError
from zscr.train.fit import Request, fit, resume
from zscr.train.run import open_run

SETTINGS = {"rounds": 5, "validate_every": 2, "rate": 0.05, "seed": 5}  # best at 2, 4 and 5
PAGE = os.sysconf("SC_PAGESIZE")
CHECKPOINT = 5 * PAGE  # what the files of a checkpoint take


@pytest.fixture
def ballast(small_disk: Path) -> Path:
    """Name the file that the disk is filled with."""
    return small_disk / "ballast"


def fill(ballast: Path, free: int) -> None:
    """Leave so many bytes on the disk."""
    usage = os.statvfs(ballast.parent)
    ballast.write_bytes(b"\1" * (usage.f_bavail * usage.f_bsize - free))


@pytest.mark.parametrize("free", range(0, CHECKPOINT, PAGE))
def test_full_disk_leaves_the_previous_checkpoint(
    plain: ModuleType, vectors: Path, small_disk: Path, ballast: Path, free: int
) -> None:
    """Wherever the disk fills up: one sentence, the last checkpoint whole, no half of the next."""
    run = small_disk / "run"
    plain.BEFORE[4] = lambda: fill(ballast, free)
    with pytest.raises(ArtefactError, match="the disk is full") as refused:
        fit(Request("plain", vectors, run, SETTINGS, device="cpu"))
    # The same command would say that the run exists already.
    assert str(refused.value).endswith(f"and run 'zscr train --resume --out {run}'")
    found = open_run(run)  # checks every hash
    assert found.step == 2
    own = {"manifest.json", "metrics.jsonl", "writer.lock"}
    assert {path.name for path in run.iterdir()} == {*found.files, *own}
    plain.BEFORE.clear()
    ballast.unlink()
    assert resume(run).done


def test_a_disk_with_just_enough_room_is_enough(
    plain: ModuleType, vectors: Path, small_disk: Path, ballast: Path
) -> None:
    """So the cases above end where a checkpoint fits."""
    plain.BEFORE[4] = lambda: fill(ballast, CHECKPOINT)
    plain.BEFORE[5] = ballast.unlink
    assert fit(Request("plain", vectors, small_disk / "run", SETTINGS, device="cpu")).done


def test_full_disk_while_logging_is_one_sentence(
    plain: ModuleType, vectors: Path, small_disk: Path, ballast: Path
) -> None:
    """The log is the first thing that a round writes; no traceback there, either."""
    run = small_disk / "run"

    def fill_all() -> None:
        fill(ballast, 0)
        with run.joinpath("metrics.jsonl").open("ab") as log:  # the log's own last page
            log.write(b"\n" * (-log.tell() % PAGE))

    plain.BEFORE[1] = fill_all
    with pytest.raises(ArtefactError, match="the disk is full"):
        fit(Request("plain", vectors, run, SETTINGS, device="cpu"))
    ballast.unlink()
    assert open_run(run).step == 0
