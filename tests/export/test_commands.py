"""`zscr export` as a user calls it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from zscr.artefact import read_manifest, verify
from zscr.cli import main
from zscr.export import bundle as bundle_module
from zscr.infer.bundle import Bundle


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def traced(vector_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take graphs that are traced already: of a run of vectors, with three draws of noise."""
    folder = vector_bundle.folder
    monkeypatch.setattr(
        bundle_module, "build_graph", lambda _, side: onnx.load(folder / f"{side.name}.onnx")
    )


def zscr(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.mark.usefixtures("traced")
def test_export_of_vectors(vector_run) -> None:
    """The proof's figures are told on stderr; without images there is no index, no next step."""
    done = zscr("export", vector_run.folder, "--noise-samples", 3)
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert "onnxruntime agrees with torch to " in done.stderr
    assert "top-10 overlap 1.000" in done.stderr
    assert "zscr query" not in done.stderr
    bundle = Path("bundles/latest").resolve()
    assert bundle.name == "zscrgan-vectors-001"
    assert json.loads((bundle / "manifest.json").read_text())["noise_samples"] == 3
    assert not Path("captions.txt").exists()


@pytest.mark.usefixtures("traced")
def test_a_graph_that_is_another_model_is_one_sentence(vector_run) -> None:
    """The graphs have noise folded in, which was not asked for here: exit 1 and no bundle."""
    done = zscr("export", vector_run.folder)
    assert done.exit_code == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert line.startswith("Error: query.onnx differs from the trained model: max abs ")
    assert line.endswith("nothing was exported")
    assert "Traceback" not in done.output
    assert list(Path("bundles").iterdir()) == []


@pytest.mark.usefixtures("traced")
def test_trt_without_the_library_keeps_the_bundle(
    vector_run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence with the pip line, exit 1; what was exported before stands."""
    for library in ("tensorrt", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, library, None)
    done = zscr("export", vector_run.folder, "--noise-samples", 3, "--trt")
    assert done.exit_code == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert "pip install 'zscr[trt]'" in line
    assert "pip install 'zscr[trt-rtx]'" in line
    bundle = Path("bundles/latest").resolve()
    verify(bundle, read_manifest(bundle, "bundle"))
    assert [path.name for path in Path("bundles").iterdir()] != ["zscrgan-vectors-001.engines"]
    assert not bundle.with_name("zscrgan-vectors-001.engines").exists()


@pytest.mark.engines
@pytest.mark.usefixtures("traced")
def test_trt_puts_the_engines_beside_the_bundle(vector_run) -> None:
    """Built for a GPU that is not here; the bundle itself is not touched."""
    pytest.importorskip("tensorrt_rtx", reason="needs the extra 'trt-rtx'")
    args = ("--noise-samples", 3, "--trt", "--target", "sm86")
    done = zscr("export", vector_run.folder, "--out", "bundles/b", *args)
    assert done.exit_code == 0, done.output
    [folder] = Path("bundles/b.engines").iterdir()
    assert f"built engines in {folder.resolve()}" in done.stdout
    manifest = read_manifest(folder, "engines")
    verify(folder, manifest)
    assert manifest.body["bundle"] == Bundle.open(Path("bundles/b")).sha256
    assert {"query.engine", "gallery.engine"} <= set(manifest.files)
    verify(Path("bundles/b"), read_manifest(Path("bundles/b"), "bundle"))


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        ([], 1, "Error: "),
        (["nowhere"], 1, "nowhere is not a run: it has no manifest.json"),
        (["nowhere", "--target", "sm86"], 2, "--target goes with --trt"),
        (["nowhere", "--noise-samples", "-1"], 2, "-1 is not in the range x>=0"),
        (["nowhere", "--gallery", "seen"], 2, "'seen' is not one of 'unseen', 'all'"),
    ],
)
def test_wrong_calls(args: list[str], status: int, message: str) -> None:
    """One sentence that names what is wrong, and nothing is written."""
    done = zscr("export", *args)
    assert done.exit_code == status
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert list(Path().iterdir()) == []


def test_embeddings_of_the_exported_graphs_are_unit(vector_bundle: Bundle) -> None:
    """What everything after the export rests on."""
    rows = np.random.default_rng(1).random((9, 8), np.float32)
    norms = np.linalg.norm(vector_bundle.query.encode(rows), axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-6)
