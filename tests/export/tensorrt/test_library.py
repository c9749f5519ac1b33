"""Which TensorRT is chosen, for which GPUs; what is said where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zscr.errors import ConfigError
from zscr.export.tensorrt.library import choose_toolchain


@pytest.mark.engines
def test_unknown_target_lists_the_known_ones(tensorrt_rtx) -> None:
    """A GPU that the library does not build for is a sentence with those that it does."""
    with pytest.raises(ConfigError, match=r"cannot build for sm90; it knows sm75, sm80, sm86"):
        choose_toolchain(["sm86", "sm90"])
    assert choose_toolchain(["SM86", "8.6", "12.0"]).targets == ("SM86", "SM120")


BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
from zscr.errors import ZscrError
from zscr.export.tensorrt.library import choose_toolchain
try:
    print(choose_toolchain({targets!r}))
except ZscrError as error:
    print(type(error).__name__, error, sep=": ")
"""


def choice(blocked: tuple[str, ...], targets: tuple[str, ...], folder: Path) -> str:
    """Choose a toolchain where `blocked` are not installed and only `folder` holds programs."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(blocked=blocked, targets=targets)],
        env={"PYTHONPATH": str(folder), "PATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("targets", [(), ("sm86",)], ids=["this GPU", "sm86"])
def test_missing_library_names_both_pip_lines(tmp_path: Path, targets: tuple[str, ...]) -> None:
    """Without either library the sentence holds the two pip lines and when to use which."""
    assert choice(("tensorrt", "tensorrt_rtx"), targets, tmp_path) == (
        "MissingExtraError: an engine for this machine's GPU needs the extra 'trt': pip install "
        "'zscr[trt]'; one built without that GPU needs the extra 'trt-rtx': pip install "
        "'zscr[trt-rtx]'"
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("raise ImportError('libnvonnxparser.so.11: cannot open')", "libnvonnxparser.so.11"),
        ("import tensorrt_libs_that_is_missing", "tensorrt_libs_that_is_missing"),
    ],
    ids=["shared library", "module inside"],
)
def test_broken_library_is_not_called_missing(tmp_path: Path, source: str, expected: str) -> None:
    """An installed library that does not load says why instead of asking to be installed."""
    (tmp_path / "tensorrt.py").write_text(source)
    message = choice(("tensorrt_rtx",), (), tmp_path)
    assert message.startswith("ZscrError: tensorrt is installed but cannot be loaded (")
    assert expected in message


def test_tensorrt_builds_on_its_gpu_or_says_how_else(tmp_path: Path) -> None:
    """`tensorrt` is chosen first: for the GPU that is there, else the sentence names a way."""
    (tmp_path / "tensorrt.py").write_text("__version__ = '11.4'")
    assert choice((), (), tmp_path).startswith(
        "ConfigError: tensorrt builds only for a GPU of this machine and nvidia-smi lists none; "
        "name the GPU to build for, such as --target sm86"
    )
    lister = tmp_path / "nvidia-smi"
    lister.write_text("#!/bin/sh\necho 'NVIDIA A10, 580.1'\n")
    lister.chmod(0o755)
    assert choice((), (), tmp_path) == (
        "Toolchain(library='tensorrt', version='11.4', targets=(), gpu='NVIDIA A10, 580.1')"
    )
