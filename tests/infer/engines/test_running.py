"""Engines are run, as far as that goes without TensorRT's own kernels.

`gpu_checks.py` holds the checks. They run in a process of their own, on a driver that `cuda.c`
stands in for, and on a GPU where there is one; `stand_in.py` takes TensorRT's place in both.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zscr.errors import ConfigError
from zscr.infer.bundle import Bundle
from zscr.infer.engines.cache import engines_folder
from zscr.infer.engines.entry import read_entry
from zscr.infer.engines.opening import open_engine
from zscr.infer.engines.toolchain import Device, Toolchain, read_device
from zscr.infer.runners.opening import open_runner
from zscr.infer.runners.runner import Runtime

pytest.importorskip("cuda.bindings", reason="needs the extra 'trt' or 'trt-rtx'")
HERE = Path(__file__).parent
without_gpu = pytest.mark.skipif(read_device() is not None, reason="there is a GPU")


def run_checks(**more: str) -> None:
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs"]
    done = subprocess.run(
        [*command, str(HERE / "gpu_checks.py")],
        env={**os.environ, **more},
        cwd=HERE.parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def tensorrt() -> None:
    """Skip where TensorRT is not installed."""
    pytest.importorskip("tensorrt_rtx", reason="needs the extra 'trt-rtx'")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the driver that stands in, and a program that tells its version -> their folder."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler to make a driver with")
    folder = tmp_path_factory.mktemp("driver")
    to = ["-o", folder / "libcuda.so.1", "-Wl,-soname,libcuda.so.1"]
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-Wall", "-Werror", *to, HERE / "cuda.c", "-ldl"], check=True
    )
    lister = folder / "nvidia-smi"
    lister.write_text("#!/bin/sh\necho 580.1\n")
    lister.chmod(0o755)
    return folder


def test_engines_run_on_a_driver_that_does_what_it_is_told_late(driver: Path) -> None:
    """No result is read too early, no buffer written too soon, no host address handed out."""
    run_checks(LD_LIBRARY_PATH=str(driver))


def opened(bundle: Path, precision: str, **more: str) -> list[str]:
    """Encode a row by the gallery's graph and by an image's, in another process -> its lines."""
    code = """
import sys
import numpy as np
from zscr import Bundle, Query
from zscr.errors import ZscrError
from zscr.infer.runners.runner import Runtime
try:
    bundle = Bundle.open(sys.argv[1], Runtime("trt", precision=sys.argv[2]))
    plain = Bundle.open(sys.argv[1], Runtime(precision=sys.argv[2]))
    queries = Query.of("vector", np.arange(48, dtype=np.float32).reshape(6, 8))
    print(bundle.graph("text").runner.ran)
    found, wanted = (one.graph("text").encode(queries) for one in (bundle, plain))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
except ZscrError as error:
    print(f"{type(error).__name__}: {error}")
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(bundle), precision],
        env={**os.environ, **more},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [*done.stderr.splitlines(), *done.stdout.splitlines()]


def test_a_bundle_runs_as_the_engine_that_is_sealed_for_it(
    bundle: Bundle, save_engine: Callable[..., Path], driver: Path, tmp_path: Path
) -> None:
    """Found, proven, loaded and named; the rows are the graph's, in the precision asked for."""
    told = Toolchain("tensorrt", "99.0", None, (), Device("stand-in", "SM86", "580.1"))
    file = bundle.folder / bundle.graphs["text"]["variants"]["fp16"]["file"]
    save_engine("text", "fp16", told, content=file.read_bytes())
    shutil.copy(HERE / "stand_in.py", tmp_path / "tensorrt.py")
    (tmp_path / "tensorrt-99.0.dist-info").mkdir()
    (tmp_path / "tensorrt-99.0.dist-info" / "METADATA").write_text("Name: tensorrt\nVersion: 99.0")
    path = {"PYTHONPATH": str(tmp_path), "LD_LIBRARY_PATH": str(driver)}
    path["PATH"] = f"{driver}:{os.environ['PATH']}"
    assert opened(bundle.folder, "fp16", **path) == [
        "tensorrt 99.0, cuda (stand-in), CUDA graphs, fp16"
    ]


@pytest.mark.engines
@pytest.mark.usefixtures("tensorrt")
def test_an_engine_that_is_not_there_is_built_once(bundle: Bundle, driver: Path) -> None:
    """By the real builder; its library then says that the driver is none that it can run on."""
    path = {"PATH": f"{driver}:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(driver)}
    refused = "ArtefactError: text-fp32-[^ ]* cannot be loaded by tensorrt_rtx .*CUDA driver"
    *said, last = opened(bundle.folder, "fp32", **path)
    why = "no engine of 'text' in fp32 has been built for tensorrt_rtx"
    assert f"building the engine of 'text' in fp32: {why}" in said[0]
    assert any("built the engine of 'text' in fp32 in" in line for line in said)
    assert re.match(refused, last), last
    [again] = opened(bundle.folder, "fp32", **path)
    assert re.match(refused, again), again
    [made] = engines_folder(bundle.folder).iterdir()
    assert read_entry(made).recipe.toolchain.targets == ("SM86",)


@pytest.mark.usefixtures("tensorrt")
def test_a_builder_that_fails_is_one_sentence(bundle: Bundle, driver: Path) -> None:
    """Its own words come first."""
    path = {"PATH": f"{driver}:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(driver)}
    engines_folder(bundle.folder).write_text("in the way")
    *said, last = opened(bundle.folder, "fp32", **path)
    assert "could not be built, for the reason above; use another --backend" in last
    assert "Error: " in said[-1]


@without_gpu
@pytest.mark.usefixtures("tensorrt")
def test_without_a_gpu_it_is_one_sentence_or_the_cpu(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the bundle is opened, not at the first query."""
    with pytest.raises(ConfigError, match=r"CUDA shows no GPU to tensorrt.*--allow-fallback"):
        Bundle.open(bundle.folder, Runtime("trt"))
    opened = Bundle.open(bundle.folder, Runtime("trt", threads=1, allow_fallback=True))
    assert "backend 'trt' cannot run here, so the CPU does: " in capsys.readouterr().err
    assert opened.graph("text").runner.ran.endswith(", cpu, 1 threads")


def test_a_graph_of_no_bundle_has_no_engine(bundle: Bundle) -> None:
    """Engines stand beside bundles, which say what they were built of."""
    with pytest.raises(
        ConfigError, match=r"the graphs of bundles, and text\.onnx of .* is of none"
    ):
        open_runner(bundle.folder / "text.onnx", Runtime("trt"))


def test_a_precision_without_operators_is_refused(bundle: Bundle) -> None:
    """Before anything is built."""
    with pytest.raises(ConfigError, match="has no operators for int8-dynamic; give another"):
        open_engine(bundle.folder, bundle.manifest, "text", "int8-dynamic")


@pytest.mark.gpu
def test_engines_run_on_a_gpu() -> None:
    """The driver's copies, streams and recordings; the kernels are onnxruntime's, on the host."""
    if not shutil.which("nvidia-smi"):
        pytest.skip("there is no GPU")
    run_checks()
