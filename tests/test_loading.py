"""Light imports load nothing heavy: seen from inside a fresh interpreter, not from the source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "onnx", "onnxscript", "transformers", "tensorrt", "tensorrt_rtx"} | {
    "onnxruntime",
    "hnswlib",
    "matplotlib",
    "rich",
    "scipy",
}


def heavy_after(code: str) -> set[str]:
    """Run `code` in a fresh interpreter and return which heavy packages it has loaded."""
    report = f"\nimport sys\nprint('loaded', *({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


HELP = """
import sys
from zscr.cli import COMMANDS, main
for command in ([], *([name] for name in COMMANDS)):
    sys.argv = ["zscr", *command, "--help"]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, command
"""


@pytest.mark.parametrize("code", ["import zscr, zscr.infer", HELP], ids=["import", "--help"])
def test_light_imports_load_nothing_heavy(code: str) -> None:
    """Importing zscr and asking for help load no torch, no onnx and nothing else that is heavy."""
    assert heavy_after(code) == set()


def test_the_check_of_loading_can_fail(tmp_path: Path) -> None:
    """A heavy package that is imported anywhere below is reported; so are several."""
    (tmp_path / "torch.py").touch()
    (tmp_path / "onnx.py").touch()
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import torch, json, onnx"
    assert heavy_after(code) == {"torch", "onnx"}
