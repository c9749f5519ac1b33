"""Fixtures of `zscr find`: a home with a model in use, and the command in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from zscr.cli import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_bundle: Any) -> Path:
    """Make a user's home with the one model `birds`, and stand in the folder beside it."""
    folder = tmp_path / "home"
    monkeypatch.setenv("ZSCR_HOME", str(folder))
    make_bundle(folder / "models" / "birds")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def find(home: Path) -> Callable[..., Any]:
    """Return a function that runs `zscr find` with one thread."""

    def run(*words: Any) -> Any:
        return CliRunner().invoke(main, ["find", "--threads", "1", *map(str, words)])

    return run


@pytest.fixture
def ids(find: Callable[..., Any]) -> Callable[..., list[str]]:
    """Return a function that runs it and returns the ids that were found, best first."""

    def run(*words: Any) -> list[str]:
        result = find(*words)
        assert result.exit_code == 0, result.output
        return [hit["id"] for hit in json.loads(result.stdout)["hits"]]

    return run
