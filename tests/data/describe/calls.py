"""How the command is called in tests: with little patience, one question after the other."""

from __future__ import annotations

from pathlib import Path

from tests.data.describe.server import Model

SOON = ("--wait", "0.01", "--timeout", "30", "--tries", "3", "--parallel", "1")


def arguments(collection: Path, model: Model, *more: str) -> list[str]:
    asked = ["data", "describe", str(collection), "--base-url", model.url, "--model", "m"]
    return [*asked, *SOON, *more]
