"""Precisions are added to a bundle where they retrieve as fp32 does, and the right graph runs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner

from zscr.artefact import read_manifest, verify, write_manifest
from zscr.cli import main
from zscr.data.records import Query
from zscr.errors import ConfigError
from zscr.export.precision.gate import Limits, fault_of
from zscr.export.precision.ladder import add_precisions, fastest_of
from zscr.export.precision.rungs import RUNGS
from zscr.export.precision.trial import ALONE, NOT_RUN, Trial, subjects_of
from zscr.extras import MODULES
from zscr.infer.bundle import Bundle
from zscr.infer.precision import REFUSED
from zscr.infer.runners.backend import cuda_lack
from zscr.infer.runners.runner import Runtime
from zscr.processor import processor_flags

LENIENT = Limits(max_drop=1, min_cosine=-1, min_overlap=0)
TEXT = frozenset({"text"})


@pytest.fixture(scope="session")
def tried(deployed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the bundle of a trained run and try four precisions, once; read it, never write it."""
    folder = shutil.copytree(deployed.bundle, tmp_path_factory.mktemp("tried") / "bundle")
    add_precisions(folder, ["fp16", "bf16", "int8", "int8-dynamic"], LENIENT)
    return folder


@pytest.fixture
def own(deployed, tmp_path: Path) -> Path:
    """A copy in fp32 that may be changed."""
    return shutil.copytree(deployed.bundle, tmp_path / "own")


def embed(folder: Path, **options: Any) -> np.ndarray:
    bundle = Bundle.open(folder, Runtime(threads=1, **options))
    return bundle.route(TEXT).encode(Query.of("text", ["a red circle", "small green"]))


def test_the_table_says_what_was_measured(tried: Path, deployed) -> None:
    """Of each rung, and of what onnxruntime cannot run by OpenVINO."""
    manifest = read_manifest(tried, "bundle")
    verify(tried, manifest)
    rungs = manifest.body["precisions"]["rungs"]
    kept = {"fp32", "fp16", "int8", "int8-dynamic", "bf16"}
    assert {name: (rung["status"], rung["backend"]) for name, rung in rungs.items()} == {
        name: ("kept", "openvino" if name == "bf16" else "ort-cpu") for name in kept
    }
    for name in kept - {"fp32"}:
        figures = rungs[name]["graphs"]["text"]
        low, high = figures["interval"]
        assert low <= figures["gain"] <= high
        assert figures["batch_sizes"] == [1, 3, 8, 64]
        assert 0 < figures["max_abs"] < 0.5 < figures["min_cosine"] <= 1.00001
        assert (figures["split"], figures["queries"], figures["groups"]) == ("val", 10, 2)
        assert min(figures["cpu_ms"], figures["batch_cpu_ms"]) > 0
    assert set(manifest.body["graphs"]["text"]["variants"]) == kept
    assert set(manifest.body["graphs"]["gallery"]["variants"]) == {"fp32"}
    card = (tried / "card.md").read_text()
    size = f"{(tried / 'text.int8.onnx').stat().st_size / 1e6:.1f}"
    assert f"| text | int8 | ort-cpu | kept | {size} |" in card
    assert f"| text | int8 | openvino | kept | {size} |" in card
    assert "bf16 ran in openvino" in card
    assert Bundle.open(tried).space == Bundle.open(deployed.bundle).space


def test_each_backend_is_judged_and_timed(tried: Path) -> None:
    """Beside what leads; what onnxruntime has no products of says so there."""
    rungs = read_manifest(tried, "bundle").body["precisions"]["rungs"]
    assert rungs["bf16"]["beside"]["ort-cpu"]["status"] == NOT_RUN
    for name in ("fp32", "fp16", "int8", "int8-dynamic"):
        [beside] = rungs[name]["beside"].items()
        assert (beside[0], beside[1]["status"]) == ("openvino", "kept"), name
        figures = beside[1]["graphs"]["text"]
        assert min(figures["cpu_ms"], figures["batch_cpu_ms"]) > 0
        assert figures["max_abs"] < 2e-6 or name != "fp32"
    both = rungs["int8"], rungs["int8"]["beside"]["openvino"]
    assert len({one["graphs"]["text"]["max_abs"] for one in both}) == 2


def test_the_precision_asked_for_is_the_graph_that_runs(tried: Path) -> None:
    """And its name stands in what ran; the gallery's stays, and an unknown one is refused."""
    plain = embed(tried, precision="fp32")
    for name in ("fp16", "int8"):
        bundle = Bundle.open(tried, Runtime(threads=1, precision=name))
        assert bundle.route(TEXT).graph.name == f"text.{name}.onnx"
        assert bundle.route(TEXT).runner.ran.endswith(f", 1 threads, {name}")
        assert bundle.gallery.graph.name == "gallery.onnx"
        rows = embed(tried, precision=name)
        assert 0 < np.abs(rows - plain).max() < 0.1
        assert bundle.key_of(TEXT) == Bundle.open(tried).key_of(TEXT)  # of what an index measured
    with pytest.raises(ConfigError, match="no graph 'text' in int4, only in fp32, fp16, bf16"):
        Bundle.open(tried, Runtime(precision="int4"))


@pytest.mark.parametrize(("instructions", "runs"), [("own", "fp16"), ("none-such", "fp32")])
def test_the_fastest_runs_where_the_processor_has_its_instructions(
    instructions: str, runs: str, tried: Path, tmp_path: Path
) -> None:
    """Elsewhere fp32 does; who asks for another gets that."""
    flags = processor_flags()
    assert flags
    needed = [min(flags)] + (["none-such"] if instructions != "own" else [])
    folder = shutil.copytree(tried, tmp_path / "bundle")
    manifest = read_manifest(folder, "bundle")
    body = {**manifest.body, "fastest": {"precision": "fp16", "instructions": needed}}
    write_manifest(folder, "bundle", manifest.files, body)
    assert Bundle.open(folder).precision == runs
    assert np.array_equal(embed(folder), embed(folder, precision=runs))
    assert Bundle.open(folder, Runtime(precision="int8")).precision == "int8"
    auto = Bundle.open(folder, Runtime("auto"))
    assert auto.precision == Bundle.open(folder, Runtime(auto.runtime.backend)).precision
    assert auto.runtime.backend == ("ort-cpu" if cuda_lack(onnxruntime) else "ort-cuda")
    assert Bundle.open(folder, Runtime("openvino")).precision == "fp32"
    by = {"openvino": {"precision": "bf16", "instructions": needed}}
    write_manifest(folder, "bundle", manifest.files, {**body, "fastest_by": by})
    own = "bf16" if runs == "fp16" else "fp32"
    assert Bundle.open(folder, Runtime("openvino")).precision == own
    assert Bundle.open(folder).precision == runs


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (replace(LENIENT, max_drop=0), "mAP may drop by"),
        (replace(LENIENT, min_cosine=0.99), "cosine "),
    ],
)
def test_a_graph_that_finds_less_is_refused(limits: Limits, why: str, own: Path) -> None:
    """Its matrices are noise here; what each limit guards is told with its figure."""
    [subject] = subjects_of(Bundle.open(own, ALONE))
    model = onnx.load(own / "text.onnx")
    rng = np.random.default_rng(3)
    for one in model.graph.initializer:
        if len(one.dims) == 2 and one.data_type == onnx.TensorProto.FLOAT:
            noise = rng.standard_normal(tuple(one.dims)).astype(np.float32)
            one.CopyFrom(onnx.numpy_helper.from_array(noise, one.name))
    onnx.save(model, own / "noise.onnx")
    figures = subject.judge.figures(subject.opened(own / "noise.onnx", "ort-cpu"))
    assert str(fault_of(figures, limits)).startswith(why)
    assert fault_of(figures, LENIENT) is None
    fewer = {**figures, "top10_overlap": 0.8}  # there are fewer than ten images here
    assert str(fault_of(fewer, replace(LENIENT, min_overlap=0.9))).startswith("top-10 overlap 0.8")


def test_a_refused_precision_leaves_its_figures_and_no_graph(own: Path) -> None:
    """Nothing of it can be asked for; what was kept before is tried again beside it."""
    add_precisions(own, ["fp16"], LENIENT)
    add_precisions(own, ["int8"], Limits(min_cosine=1))
    body = read_manifest(own, "bundle").body
    rungs = body["precisions"]["rungs"]
    assert {name: rung["status"] for name, rung in rungs.items()} == {
        "fp32": "kept",
        "fp16": REFUSED,
        "int8": REFUSED,
    }
    assert rungs["int8"]["why"].startswith("cosine ")
    assert rungs["int8"]["graphs"]["text"]["queries"] == 10
    assert set(body["graphs"]["text"]["variants"]) == {"fp32"}
    assert not [*own.glob("*.int8*.onnx"), *own.glob("*.fp16*.onnx")]
    assert "fastest" not in body
    verify(own, read_manifest(own, "bundle"))
    with pytest.raises(ConfigError, match=r"no graph 'text' in int8 \(cosine .*only in fp32"):
        Bundle.open(own, Runtime(precision="int8"))


def test_a_graph_that_is_listed_is_not_written_over(own: Path) -> None:
    """It may be in use until the manifest names the next, which is made beside it."""
    names = []
    for _ in range(3):
        add_precisions(own, ["fp16"], LENIENT)
        manifest = read_manifest(own, "bundle")
        verify(own, manifest)
        names.append(manifest.body["graphs"]["text"]["variants"]["fp16"]["file"])
        assert [path.name for path in own.glob("*.fp16*.onnx")] == names[-1:]
    assert names == ["text.fp16.onnx", "text.fp16.again.onnx", "text.fp16.onnx"]


def test_what_nothing_runs_is_built_and_not_kept(own: Path, monkeypatch) -> None:
    """Without OpenVINO: it is in the bundle with the reason, and never called kept."""
    monkeypatch.setitem(MODULES, "openvino", ("no_such_module",))
    add_precisions(own, ["bf16"], LENIENT)
    body = read_manifest(own, "bundle").body
    told = body["precisions"]["rungs"]["bf16"]
    assert (told["status"], "backend" in told, "bf16" in told["why"]) == (NOT_RUN, False, True)
    assert set(body["graphs"]["text"]["variants"]) == {"fp32", "bf16"}
    assert f"bf16 is {NOT_RUN}: " in (own / "card.md").read_text()


def test_a_precision_runs_on_the_backend_that_it_was_judged_on(tried: Path) -> None:
    """OpenVINO takes each graph as it is written: fp32 to the sixth digit, bf16 rounded."""
    plain, found = embed(tried, precision="fp32"), embed(tried, backend="openvino")
    np.testing.assert_allclose(found, plain, atol=2e-6)
    rounded = embed(tried, backend="openvino", precision="bf16")
    assert 1e-4 < np.abs(rounded - plain).max() < 0.1
    bundle = Bundle.open(tried, Runtime("openvino", precision="bf16"))
    assert bundle.route(TEXT).runner.ran.startswith("openvino ")
    with pytest.raises(ConfigError, match="not run bf16 on a CPU; give --backend openvino"):
        Bundle.open(tried, Runtime(precision="bf16"))


@pytest.mark.parametrize(("refused", "kept"), [("ort-cpu", "openvino"), ("openvino", "ort-cpu")])
def test_what_one_backend_refused_runs_on_the_other(
    refused: str, kept: str, tried: Path, tmp_path: Path
) -> None:
    """On the one that kept it alone; a bundle that tells nothing of the other runs on both."""
    folder = shutil.copytree(tried, tmp_path / "bundle")
    manifest = read_manifest(folder, "bundle")
    rungs = dict(manifest.body["precisions"]["rungs"])
    graphs = {"graphs": rungs["int8"]["graphs"]}
    other = {"status": REFUSED, "why": "cosine 0.5", "backend": refused, **graphs}
    for beside in ({"beside": {refused: other}}, {}):
        rungs["int8"] = {"status": "kept", "backend": kept, **graphs, **beside}
        told = {**manifest.body["precisions"], "rungs": rungs}
        write_manifest(folder, "bundle", manifest.files, {**manifest.body, "precisions": told})
        assert Bundle.open(folder, Runtime(kept, precision="int8")).precision == "int8"
        if beside:
            why = rf"int8 is refused on {refused} \(cosine 0.5\) and kept on {kept}; give --backend"
            with pytest.raises(ConfigError, match=why):
                Bundle.open(folder, Runtime(refused, precision="int8"))
    if kept == "ort-cpu":
        assert Bundle.open(folder, Runtime("openvino", precision="int8")).precision == "int8"


def trial(
    milliseconds: float, status: str = "kept", backend: str = "ort-cpu", between: float = 0
) -> dict[str, Trial]:
    """Return what came of a rung on one backend."""
    figures = {"cpu_ms": milliseconds, "between_batches": between}
    return {backend: Trial(status, backend=backend, graphs={"text": figures})}


def test_what_runs_unasked_is_kept_fast_and_alone() -> None:
    """Not refused or unrun, not dependent on a batch, not by a hair, and only with instructions."""
    vnni, bare = frozenset({"avx512_vnni", "fma"}), frozenset({"fma"})
    trials = {"fp32": trial(10), "int8": trial(6), "int4": trial(7), "int8-dynamic": trial(2)}
    int8, int4 = ({"precision": name, "instructions": ["avx512_vnni"]} for name in ("int8", "int4"))
    assert fastest_of(trials, "ort-cpu", vnni) == int8
    assert fastest_of(trials, "ort-cpu", bare) is None
    assert fastest_of({"fp32": trial(10), "int8": trial(9.5)}, "ort-cpu", vnni) is None
    others = trials | {"bf16": trial(1, backend="openvino")}
    assert fastest_of(others, "ort-cpu", vnni | {"avx512_bf16"}) == int8
    for other in (trial(1, REFUSED), trial(1, NOT_RUN), trial(1, between=0.01)):
        assert fastest_of(trials | {"int8": other}, "ort-cpu", vnni) == int4
    assert {name for name, one in RUNGS.items() if one.instructions & vnni} == {
        "int8",
        "int4",
        "int8-dynamic",
    }


def test_each_backend_has_a_fastest_of_its_own() -> None:
    """OpenVINO shares scales among rows in 8 and 4 bits, so these never run there unasked."""
    flags = frozenset({"avx512_vnni", "avx512_bf16"})
    tried = {
        name: trial(milliseconds) | trial(milliseconds / 2, backend="openvino")
        for name, milliseconds in {"fp32": 10, "bf16": 8, "int8": 2, "int4": 1}.items()
    }
    fastest = fastest_of(tried, "openvino", flags)
    assert fastest == {"precision": "bf16", "instructions": ["avx512_bf16"]}
    slow = tried | {"fp32": trial(10) | trial(4, backend="openvino")}
    assert fastest_of(slow, "openvino", flags) is None
    unrun = tried | {"fp32": trial(10) | trial(5, NOT_RUN, "openvino")}
    assert fastest_of(unrun, "openvino", flags) is None
    assert fastest_of({name: trial(9) for name in tried}, "openvino", flags) is None


def test_export_and_query_take_a_precision(deployed, tmp_path: Path, monkeypatch) -> None:
    """As a user types it; limits alone, and pretrained models, are refused."""
    monkeypatch.chdir(tmp_path)

    def zscr(*args: object) -> Any:
        return CliRunner().invoke(main, [str(arg) for arg in args])

    done = zscr(
        "export",
        deployed.run,
        "--out",
        "b",
        "--precision",
        "fp16",
        "--max-drop",
        "1",
        "--min-cosine",
        "0.9",
        "--min-overlap",
        "0.5",
    )
    assert done.exit_code == 0, done.output
    assert "fp16 is kept; mAP +" in done.stderr
    found = zscr(
        "query",
        "--bundle",
        "b",
        "--text",
        "a red circle",
        "--precision",
        "fp16",
        "--format",
        "jsonl",
    )
    assert found.exit_code == 0, found.output
    assert ', fp16"' in found.stdout
    wrong = zscr("query", "--bundle", "b", "--text", "a red circle", "--precision", "int8")
    assert (wrong.exit_code, "no graph 'text' in int8, only in fp32, fp16" in wrong.stderr) == (
        1,
        True,
    )
    assert "--max-drop goes with --precision" in zscr("export", "--max-drop", "0.1").stderr
    assert "--precision goes with a run" in zscr("export", "clip:x", "--precision", "fp16").stderr
    unknown = zscr("export", deployed.run, "--precision", "fp8")
    assert (unknown.exit_code, "precision 'fp8' is unknown" in unknown.stderr) == (1, True)
