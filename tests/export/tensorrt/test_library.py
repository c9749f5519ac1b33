"""Which TensorRT is chosen, for which GPUs; what is said where there is none."""

from __future__ import annotations

import shutil
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
    assert choose_toolchain(["SM86", "8.6,sm120"]).targets == ("SM86", "SM120")


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
        env={"PYTHONPATH": str(folder), "PATH": str(folder), "LD_LIBRARY_PATH": str(folder)},
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


CUDA = """
int cuInit(unsigned f) { return 0; }
int cuDeviceGet(int *d, int n) { *d = 7; return n; }
int cuDeviceGetName(char *s, int n, int d) { __builtin_strcpy(s, "NVIDIA A10"); return d - 7; }
int cuDeviceGetAttribute(int *v, int what, int d) { *v = what == 75 ? 8 : 6; return d - 7; }
"""


@pytest.fixture
def gpu(tmp_path: Path) -> Path:
    """Lay out a driver that shows one GPU: libcuda.so.1 and nvidia-smi."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler to make a driver with")
    (tmp_path / "cuda.c").write_text(CUDA)
    to = tmp_path / "libcuda.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", to, tmp_path / "cuda.c"], check=True)
    lister = tmp_path / "nvidia-smi"
    lister.write_text("#!/bin/sh\necho 580.1\n")
    lister.chmod(0o755)
    return tmp_path


def test_tensorrt_says_how_else_where_there_is_no_gpu(tmp_path: Path) -> None:
    """`tensorrt` is chosen first, and builds for the GPU that is there alone."""
    (tmp_path / "tensorrt.py").write_text("__version__ = '11.4'")
    assert choice((), (), tmp_path).startswith(
        "ConfigError: tensorrt is to build for a GPU of this machine and CUDA shows none; "
        "name the GPU to build for, such as --target sm86"
    )


def test_tensorrt_builds_for_the_gpu_that_cuda_shows(gpu: Path) -> None:
    """Its name, capability and driver are what the engine is bound to, also by `current`."""
    (gpu / "tensorrt.py").write_text("__version__ = '11.4'")
    for targets in ((), ("current",)):
        assert choice((), targets, gpu) == (
            "Toolchain(library='tensorrt', version='11.4', cuda=None, targets=(), "
            "device=Device(name='NVIDIA A10', capability='SM86', driver='580.1'))"
        )
    (gpu / "nvidia-smi").unlink()
    assert "nvidia-smi does not say the version of its driver" in choice((), (), gpu)


@pytest.mark.engines
@pytest.mark.usefixtures("tensorrt_rtx")
def test_current_is_the_capability_of_the_gpu_for_tensorrt_rtx(gpu: Path) -> None:
    """Its engines are bound to no driver; without a GPU the sentence says so."""
    assert "targets=('SM86',), device=None)" in choice(("tensorrt",), ("current",), gpu)
    (gpu / "libcuda.so.1").unlink()
    assert "CUDA shows none" in choice(("tensorrt",), ("current",), gpu)
    with pytest.raises(ConfigError, match="'current' goes with no other"):
        choose_toolchain(["current,sm86"])
