"""`scripts/setup` asks for what pip cannot bring before it begins, in one sentence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("bash", "cat", "dirname", "sed", "sha256sum")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy what the script reads; a folder `bin` holds all programs that it finds."""
    (tmp_path / "scripts").mkdir()
    for file in ("scripts/setup", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / file, tmp_path / file)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def setup(checkout: Path, kind: str = "demo") -> tuple[int, str]:
    """Run the script -> its exit code and what it says."""
    done = subprocess.run(
        ["scripts/setup", kind],
        cwd=checkout,
        env={"PATH": str(checkout / "bin")},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


def python(checkout: Path, code: str) -> None:
    """Let `python3` be this Python after the line of code."""
    script = f'#!/bin/bash\n"{sys.executable}" -c "{code}" "$@" || exit 1\n'
    (checkout / "bin" / "python3").write_text(script + f'exec "{sys.executable}" "$@"\n')
    (checkout / "bin" / "python3").chmod(0o755)


def test_a_machine_without_a_compiler(checkout):
    """The line for apt names what is missing, and no environment is left half made."""
    python(checkout, "pass")
    code, said = setup(checkout)
    assert (code, said.count("\n")) == (1, 1)
    assert said.endswith("run: apt-get install g++\n")
    assert not (checkout / ".venv").exists()


def test_a_machine_without_venv(checkout):
    """As Debian ships Python: `import ensurepip` fails."""
    (checkout / "bin" / "g++").symlink_to("/bin/true")
    python(checkout, "import sys; sys.exit('ensurepip' in sys.argv[-1])")
    code, said = setup(checkout)
    assert (code, said.count("\n")) == (1, 1)
    assert said.endswith("run: apt-get install python3-venv\n")


def test_a_machine_without_python(checkout):
    """Not a line of bash about a command that is not found."""
    assert setup(checkout) == (1, "setup: python3 is missing; run: apt-get install python3\n")


def test_an_unknown_environment(checkout):
    """It is bad usage."""
    assert setup(checkout, "prod")[0] == 2
