"""`zscr doctor`: what is read of machines written into folders, and the command on a bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from zscr.cli import main
from zscr.infer.bundle import Bundle
from zscr.infer.doctor.explained import explained
from zscr.infer.doctor.latency import Latency, latencies
from zscr.infer.doctor.machine import Memory, Place, read_processor
from zscr.infer.doctor.page import page
from zscr.infer.doctor.report import Report
from zscr.infer.doctor.software import Software, missing_extras
from zscr.infer.doctor.speed import Speed
from zscr.infer.doctor.trouble import find_troubles, of_environment
from zscr.infer.runners.graph_work import Work
from zscr.processor import processor_name

SPEED = Speed(2, 20.0, 1 << 28, 100.0, "a BLAS")
MEMORY = Memory(1 << 36, 1 << 36, 1 << 35)
PLACE = Place("cache", "ZSCR_CACHE", False, "/cache", 1 << 40, True)
PACKAGES = {"numpy": "2.4", "onnxruntime": "1.31", "onnxruntime-gpu": None, "hnswlib": None}
SOFTWARE = Software("3.11", ("numpy",), PACKAGES, (), ("CPUExecutionProvider",), None, (), "none")
QUIET = {"ORT_DISABLE_TELEMETRY": "1"}
X86 = "processor : 0\nmodel name : A CPU\nflags : fpu avx2 fma avx512_vnni\n\nprocessor : 1\n"
ARM = "processor : 0\nFeatures : fp asimd asimddp\n"


def machine(root: Path, cpuinfo: str | None, quota: str = "max") -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/\n")
    (root / "sys/fs/cgroup/cpu.max").write_text(f"{quota} 100000\n")
    if cpuinfo is not None:
        (root / "proc/cpuinfo").write_text(cpuinfo)
    return root


def test_flags_are_those_that_matter_and_what_is_lacking_is_said(tmp_path: Path) -> None:
    found = read_processor(machine(tmp_path, X86))
    assert (found.name, [*found.flags]) == ("A CPU", ["avx2", "fma", "avx512_vnni"])
    assert found.lacks is not None
    assert {"avx512f", "amx_int8"} <= {*found.lacks}
    assert "asimd" not in found.lacks


def test_an_arm_processor_is_asked_for_its_own(tmp_path: Path) -> None:
    found = read_processor(machine(tmp_path, ARM))
    assert [*found.flags] == ["asimd", "asimddp"]
    assert found.lacks == ("asimdhp", "i8mm", "bf16", "sve")


def test_without_proc_nothing_is_claimed(tmp_path: Path) -> None:
    """As on macOS: no flag is there, and none is said to be lacking."""
    found = read_processor(tmp_path)
    assert (found.flags, found.lacks, found.quota) == ({}, None, None)
    assert processor_name(tmp_path)


def test_a_quota_below_the_cores_is_told_unless_threads_are_set(tmp_path: Path) -> None:
    """With how many threads to set."""
    found = replace(read_processor(machine(tmp_path, X86, "150000")), affinity=64, usable=2)
    [trouble] = of_environment(QUIET, found)
    assert "the time of 1.5 cores and sees 64" in trouble.what
    assert trouble.fix == "export OMP_NUM_THREADS=2"
    assert [*of_environment(QUIET | {"OMP_NUM_THREADS": "2"}, found)] == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"onnxruntime-gpu": "1.31"}, "are both installed"),
        ({"onnxruntime": None}, "onnxruntime is not installed"),
        ({"numpy": None}, "numpy is not installed"),
    ],
)
def test_what_is_broken_is_told_with_a_line_of_pip(
    tmp_path: Path, changed: dict[str, str | None], said: str
) -> None:
    """And comes before what is merely slow."""
    software = replace(SOFTWARE, packages=PACKAGES | changed)
    processor = read_processor(machine(tmp_path, X86))
    found = find_troubles(processor, MEMORY, software, [replace(PLACE, free=5)], QUIET)
    assert [one.broken for one in found] == [True, False]
    assert said in found[0].what
    assert "pip install" in found[0].fix
    assert "/cache has 0 MB left" in found[1].what


def test_a_sound_machine_has_no_trouble(tmp_path: Path) -> None:
    processor = read_processor(machine(tmp_path, X86))
    assert find_troubles(processor, MEMORY, SOFTWARE, [PLACE], QUIET) == []


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import os; os.kill(os.getpid(), 4)", "ends with signal 4: it was compiled for another"),
        ("raise ImportError('no libstdc++')", "does not work (ImportError: no libstdc++)"),
    ],
)
def test_an_hnswlib_of_another_processor_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, said: str
) -> None:
    """It dies of an instruction when it is first used: found out in a process of its own."""
    (tmp_path / "hnswlib.py").write_text(module)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    software = replace(SOFTWARE, packages=PACKAGES | {"hnswlib": "0.8"})
    processor = read_processor(machine(tmp_path, X86))
    [trouble] = find_troubles(processor, MEMORY, software, [PLACE], QUIET)
    assert said in trouble.what
    assert trouble.broken
    assert "--no-binary hnswlib" in trouble.fix


def test_missing_extras_name_what_they_lack() -> None:
    """Those for GPUs on machines with one; cpu not where onnxruntime is there, gpu in its place."""
    needed = {"heic": ("no-such-package",), "cpu": ("no-onnxruntime",), "gpu": ("no-such-gpu",)}
    [heic] = missing_extras(needed, gpu=False)
    assert (heic.lacks, heic.line) == (("no-such-package",), "pip install 'zscr[heic]'")
    with_gpu = {one.name: one.line for one in missing_extras(needed, gpu=True)}
    assert with_gpu["gpu"] == "pip uninstall -y onnxruntime; pip install 'zscr[gpu]'"


def latency(measured: float, predicted: float, **other: Any) -> Latency:
    about = {"work": Work(10_000_000, 1_000_000), "bound": "memory", "operators": 200} | other
    return Latency("text", "text", predicted_ms=predicted, measured_ms=measured, **about)


@pytest.mark.parametrize(
    ("one", "load", "said"),
    [
        (latency(11, 10), 0.5, None),
        (latency(50, 10), 9.0, "the machine is busy (load 9.0 on 2 threads)"),
        (latency(5, 0.5), 0.5, "starting 200 operators"),
        (latency(50, 10), 0.5, "operators also read and write activations"),
        (latency(1, 10), 0.5, "the weights (10.0 MB) stay in a cache of 34 MB"),
        (latency(1, 10, bound="products"), 0.5, "int8 or bf16"),
        (latency(11, 10, work=Work(1, 1, ("LSTM",))), 0.5, "LSTM in the graph is not counted"),
    ],
)
def test_a_ratio_that_is_far_off_is_explained(one: Latency, load: float, said: str | None) -> None:
    found = explained(one, SPEED, load=load, cache=33_600_000)
    assert found is said or (said is not None and said in str(found))


def test_a_prediction_is_the_longer_of_reading_and_computing(bundle: Bundle) -> None:
    """Of a matrix of 24 x 8: 768 bytes of weights and 192 products for a text."""
    slow = Speed(1, 768e-9, 1, 1.0, "")  # reads 768 bytes a second
    [text, *_] = latencies(bundle, slow, MEMORY)
    assert text.work == Work(768, 192)
    assert (text.bound, text.predicted_ms) == ("memory", pytest.approx(1000))
    [text, *_] = latencies(bundle, Speed(1, 1.0, 1, 384e-9, ""), MEMORY)
    assert (text.bound, text.predicted_ms) == ("products", pytest.approx(1000))
    assert 0 < text.measured_ms <= text.query_ms
    assert text.queries == "3 of the bundle's examples"


def test_a_graph_that_does_not_fit_is_not_run(bundle: Bundle) -> None:
    """With both sizes."""
    [text, *_] = latencies(bundle, SPEED, replace(MEMORY, free=1000))
    assert text.work is None
    assert "query.onnx has" in str(text.fault)
    assert "larger machine" in str(text.fault)


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Return a function that runs `zscr doctor` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *args: CliRunner().invoke(main, ["doctor", *map(str, args)])


def test_the_command_tells_of_machine_and_bundle(
    doctor: Callable[..., Any], bundle_folder: Path
) -> None:
    """As JSON; every figure that is measured is above 0."""
    done = doctor(bundle_folder, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["speed"]["gb_s"] > 0
    assert found["speed"]["gflop_s"] > 0
    assert found["software"]["packages"]["numpy"]
    assert {one["graph"] for one in found["latencies"]} == {"query", "gallery"}
    assert all(one["measured_ms"] > 0 for one in found["latencies"])


def test_a_damaged_bundle_is_told_with_the_machine(
    doctor: Callable[..., Any], tmp_path: Path
) -> None:
    """The exit code is 1, and stderr has one sentence."""
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/manifest.json").write_text("{")
    done = doctor("bad")
    assert done.exit_code == 1
    assert "processor" in done.stdout
    assert f"BROKEN {(tmp_path / 'bad').resolve()}/manifest.json is damaged" in " ".join(
        done.stdout.split()
    )
    assert done.stderr.splitlines()[-1].startswith("Error: ")


def test_the_page_fits_a_terminal_of_80_columns(tmp_path: Path) -> None:
    """All but lines to copy and a single long word."""
    processor = read_processor(machine(tmp_path, X86, "150000"))
    why = {"text": "a reason " * 12}
    report = Report(
        processor, None, MEMORY, 0.5, SPEED, SOFTWARE, (PLACE,), (), "b", (latency(5, 1),), why
    )
    assert max(map(len, page(report).splitlines())) <= 80
