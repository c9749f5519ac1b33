"""Some of each writer's calls to the disk, a fixed draw, are made to fail. All: scripts/faults."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from harness import HEAVY, LIGHT, Disk, Point, Trial, compile_shim
from writers import WRITERS

POINTS = 2  # of a writer's calls of one kind


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile what stands before the C library."""
    try:
        return compile_shim(tmp_path_factory.mktemp("shim"))
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the shim cannot be compiled: {error}")


@pytest.fixture(scope="module")
def disk(shim: Path) -> Iterator[Disk]:
    """Start a process of writers that runs with the shim."""
    with Disk(shim, LIGHT) as disk:
        yield disk


@pytest.mark.parametrize("writer", sorted(WRITERS.keys() - HEAVY.keys() - {"careless"}))
def test_a_failing_disk_leaves_what_was_or_what_was_to_be(
    disk: Disk, tmp_path: Path, writer: str
) -> None:
    """One sentence, old state or new, no debris, and the same command completes it."""
    assert faults_of(disk, writer, tmp_path) == []


@pytest.mark.parametrize("writer", sorted(HEAVY))
def test_what_is_trained_outlives_a_failing_disk(shim: Path, tmp_path: Path, writer: str) -> None:
    """The same of an encoder, a run and a bundle, in a process that has loaded torch or onnx."""
    with Disk(shim, HEAVY[writer]) as disk:
        assert faults_of(disk, writer, tmp_path) == []


def faults_of(disk: Disk, writer: str, folder: Path) -> list[str]:
    """Return what is wrong at a few points of a writer."""
    trial = Trial(disk, writer, folder / "trial")
    assert trial.before != trial.after
    return [fault for point in drawn(trial.points()) for fault in trial.judge(point)]


def drawn(points: list[Point]) -> Iterator[Point]:
    """Yield a few points of each kind of call: most calls write, and few delete."""
    draw = random.Random(11)  # with which what is deleted behind a commit is among them
    for op in sorted({point.op for point in points}):
        own = [point for point in points if point.op == op]
        yield from draw.sample(own, min(POINTS, len(own)))


@pytest.mark.parametrize("action", ["disk full", "kill", "short write"])
def test_a_careless_writer_is_found_out(disk: Disk, tmp_path: Path, action: str) -> None:
    """The harness fails where a file is written over; a short write Python goes on with."""
    trial = Trial(disk, "careless", tmp_path / "trial")
    assert trial.ops == ["open", "write"]
    faults = trial.judge(Point(2, "write", action))
    assert any("neither before nor after" in fault for fault in faults) == (action != "short write")
    assert any("no sentence" in fault for fault in faults) == (action == "disk full")
