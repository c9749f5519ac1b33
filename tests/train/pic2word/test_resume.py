"""A mapper's training that was stopped goes on to the bytes of one that was not."""

from __future__ import annotations

from pathlib import Path

from tests.stopped import Killer, killed_and_resumed, training

SETTINGS = {"rounds": 5, "validate_every": 2, "batch_size": 8, "lr": 0.5, "width": 16, "seed": 3}
SETTINGS |= {"task": "composed", "select_by": "mAP", "train_on": "edits", "mapper": "vocabulary"}
SETTINGS |= {"words": 2, "noise": 0.6}


def test_kill_then_resume_gives_the_same_bytes(
    killer: Killer, scenes: Path, dual: Path, tmp_path: Path
) -> None:
    """kill -9 between two checkpoints, and in the refit; noise and dropout go on as they were."""
    command = training("pic2word", scenes, SETTINGS | {"base": dual})
    assert killed_and_resumed(killer, command, tmp_path).refitted
