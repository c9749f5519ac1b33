"""Nothing is sent, nothing is left behind: the product's whole way without a network or a home."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

SEALED = [sys.executable, str(Path(__file__).with_name("sealed.py")), sys.executable, "-c"]
SETTINGS = {"batch_size": 4, "rounds": 1, "critic_steps": 1, "e_steps": 1, "validate_every": 1}

WAY = """
import sys
from click.testing import CliRunner
import zscr
from zscr.cli import main

def run(line, *more):
    done = CliRunner().invoke(main, [*line.split(), *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output

collection, image, text, *settings = sys.argv[1:]
encoders = ["--image-encoder", image, "--text-encoder", text]
run("train zscrgan-reference --collection", collection, *encoders, *settings)
run("export")
run("query --file captions.txt --format html --out found.html")
run("index add --index mine", collection)
run("evaluate")
found = zscr.load("bundles/latest", index="mine").search(["small red circle"], k=3)
assert len(found[0].hits) == 3
"""


def sealed(code: str, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code without sockets of the internet, with a home and temporary folder alone."""
    private = {"HOME": "home", "TMPDIR": "temporary", "ZSCR_CACHE": "cache"}
    for folder in (*private.values(), "work"):
        (cwd / folder).mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    told = kept | {"OMP_NUM_THREADS": "1"}
    told |= {name: str(cwd / folder) for name, folder in private.items()}
    return subprocess.run(
        [*SEALED, code, *args], cwd=cwd / "work", env=told, capture_output=True, text=True
    )


def files(*folders: Path) -> Sequence[Path]:
    """Return every file below the folders."""
    return [path for folder in folders for path in folder.rglob("*") if not path.is_dir()]


def test_nothing_is_sent_or_left_outside(shapes, tiny_image, tiny_text, tmp_path):
    """Train, export, query, index, evaluate and load: no socket of the internet, no stray file."""
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    done = sealed(WAY, str(shapes), str(tiny_image), str(tiny_text), *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path / "home") == os.listdir(tmp_path / "temporary") == []
    assert (tmp_path / "work/found.html").is_file()


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
def test_the_seal_can_break(tmp_path, family):
    """A socket of the internet in a thread of a child ends it."""
    code = f"import socket; socket.socket(socket.{family})"
    assert sealed(code, cwd=tmp_path).returncode == -signal.SIGSYS


def test_what_is_left_is_seen(tmp_path):
    """onnxruntime, imported past the one function that does so, leaves a device id at home."""
    assert sealed("import onnxruntime", cwd=tmp_path).returncode == 0
    left = files(tmp_path / "home")
    if not left:
        pytest.skip("this onnxruntime has no telemetry")
    assert "deviceid" in {path.name for path in left}


def test_an_empty_variable_leaves_telemetry_off(tmp_path):
    """As `docker run -e ORT_DISABLE_TELEMETRY` passes one on that is not set."""
    code = "import os; os.environ['ORT_DISABLE_TELEMETRY'] = ''\n"
    code += "from zscr.infer.runners.onnx import import_onnxruntime; import_onnxruntime()"
    assert sealed(code, cwd=tmp_path).returncode == 0
    assert files(tmp_path / "home") == []
