"""Fixtures of the runtime's tests: a count of what is encoded, images, killed processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zscr.infer.encoder import Encoder
from zscr.infer.inputs import Feeds
from zscr.infer.runners.onnx import Runtime
from zscr.infer.searcher import Searcher


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect the size of every batch that a graph runs on."""
    sizes: list[int] = []
    run = Encoder.run

    def spy(self: Encoder, feeds: Feeds) -> Any:
        sizes.append(len(next(iter(feeds.values()))))
        return run(self, feeds)

    monkeypatch.setattr(Encoder, "run", spy)
    return sizes


@pytest.fixture
def images(tmp_path: Path) -> Callable[..., list[Path]]:
    """Return a function that makes `count` noisy images of odd sizes in a folder."""

    def make(count: int, name: str = "images", seed: int = 7) -> list[Path]:
        rng = np.random.default_rng(seed)
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        paths = [folder / f"{number:02}.png" for number in range(count)]
        for path in paths:
            height, width = rng.integers(20, 50, 2)
            Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
        return paths

    return make


@pytest.fixture(scope="session")
def searcher(deployed: Any) -> Searcher:
    """Open the deployed model."""
    return Searcher.open(deployed.bundle, deployed.index, Runtime(threads=1))


# A script that forks children which kill themselves just before a chosen call to the disk.
_PRELUDE = """
import json, os, signal, sys
from pathlib import Path
from zscr.infer.features import store as features
from zscr.infer.encoder import Encoder

features.SHARD = 4  # so that a few images make several shards
DISK = ("fsync", "replace", "rename", "unlink", "mkdir", "rmdir")
encoded, run = 0, Encoder.run

def counted(self, feeds):
    global encoded
    encoded += len(feeds.get("pixels", ()))
    return run(self, feeds)

Encoder.run = counted

def killed(work, calls):
    '''Fork, work, and die at that call; say whether the work was finished before.'''
    def dying(call):
        def wrapped(*args, **kwargs):
            nonlocal calls
            calls -= 1
            if calls < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)
        return wrapped

    child = os.fork()
    if child == 0:
        for name in DISK:
            setattr(os, name, dying(getattr(os, name)))
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status != 0

def rows_of(work):
    '''Work, and return how many images were encoded for it.'''
    before = encoded
    work()
    return encoded - before
"""


@pytest.fixture
def run_killed() -> Callable[..., list[Any]]:
    """Return a function that runs a script after the prelude above; it prints a JSON a line."""

    def run(script: str, *args: object) -> list[Any]:
        command = [sys.executable, "-c", _PRELUDE + script, *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run
