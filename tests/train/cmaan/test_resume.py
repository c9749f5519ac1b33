"""A training that was stopped goes on to the bytes of one that was not."""

from __future__ import annotations

from pathlib import Path

from tests.stopped import Killer, killed_and_resumed, training

SETTINGS = {"rounds": 5, "validate_every": 2, "batch_classes": 4, "batch_each": 2, "dim": 8}
SETTINGS |= {"lr": 0.01, "head_lr": 0.01, "closed_form": False, "seed": 3}


def test_kill_then_resume_gives_the_same_bytes(
    killer: Killer, drawn: Path, backbone: Path, tmp_path: Path
) -> None:
    """kill -9 between two checkpoints, and in the refit, which has more classes to tell apart."""
    command = training("cmaan", drawn, SETTINGS | {"backbone": backbone})
    made = killed_and_resumed(killer, command, tmp_path)
    assert (made.refitted, made.step > 0) == (True, True)
