"""Fixtures of the runtime's tests: counts of what is encoded, images, killed processes, queries."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from zscr.cli import main


class Counted:
    """A runner that notes the size of every batch."""

    def __init__(self, runner: Any) -> None:
        self.runner, self.outputs, self.ran = runner, runner.outputs, runner.ran
        self.sizes: list[int] = []

    def run(self, feeds: Any) -> Any:
        self.sizes.append(len(next(iter(feeds.values()))))
        return self.runner.run(feeds)


@pytest.fixture(scope="session")
def counted() -> Callable[[Any], list[int]]:
    """Return a function that gives an encoder such a runner, and returns its list of sizes."""

    def count(encoder: Any) -> list[int]:
        encoder.runner = Counted(encoder.runner)
        return encoder.runner.sizes

    return count


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
def searcher(deployed: Any) -> Any:
    """Open the deployed model."""
    from zscr.infer.runners.runner import Runtime
    from zscr.infer.searcher import Searcher

    return Searcher.open(deployed.bundle, deployed.index, Runtime(threads=1))


# A script that forks children which kill themselves just before a chosen call to the disk.
_PRELUDE = """
import json, os, signal, sys
from pathlib import Path
from typing import Any

DISK = ("fsync", "replace", "rename", "unlink", "mkdir", "rmdir")
counts = []

def count(encoder):
    '''Let `rows_of` count what this encoder encodes.'''
    encoder.runner = Counted(encoder.runner)
    counts.append(encoder.runner.sizes)

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
    '''Work, and return how many rows were encoded for it.'''
    before = sum(map(sum, counts))
    work()
    return sum(map(sum, counts)) - before
"""


@pytest.fixture
def run_killed() -> Callable[..., list[Any]]:
    """Return a function that runs a script after the prelude above; it prints a JSON a line."""

    def run(script: str, *args: object) -> list[Any]:
        whole = "\n".join(
            ("from __future__ import annotations", inspect.getsource(Counted), _PRELUDE)
        )
        command = [sys.executable, "-c", whole + script, *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture
def query(deployed: Any) -> Callable[..., Any]:
    """Return a function that runs `zscr query` here; standard error is apart."""

    def run(*args: object, stdin: str | None = None) -> Any:
        about = ["query", "--bundle", str(deployed.bundle), "--threads", "1"]
        return CliRunner().invoke(main, [*about, *map(str, args)], input=stdin)

    return run
