"""`zscr export` as a user calls it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zscr.artefact import read_manifest, verify
from zscr.cli import main
from zscr.export.commands import first_query
from zscr.infer.engines.entry import read_entry


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def zscr(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_export_of_vectors(vector_run) -> None:
    """The proof's figures are told on stderr; without images there is no index, no next step."""
    done = zscr("export", vector_run.folder, "--noise-samples", 3)
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert "onnxruntime agrees with torch to " in done.stderr
    assert "top-10 overlap 1.000" in done.stderr
    assert "zscr query" not in done.stderr
    bundle = Path("bundles/latest").resolve()
    assert bundle.name == "zscrgan-reference-vectors-001"
    assert read_manifest(bundle, "bundle").body["head_settings"] == {"noise_samples": 3}
    assert not Path("captions.txt").exists()


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
    assert {path.name for path in Path("bundles").iterdir()} == {"latest", bundle.name}


@pytest.mark.engines
def test_trt_puts_the_engines_beside_the_bundle(vector_run) -> None:
    """In each precision that is kept, for a GPU that is not here; the bundle is not touched."""
    pytest.importorskip("tensorrt_rtx", reason="needs the extra 'trt-rtx'")
    args = ("--noise-samples", 3, "--trt", "--target", "sm86")
    args += ("--precision", "fp16", "--max-drop", 1)
    done = zscr("export", vector_run.folder, "--out", "bundles/b", *args)
    assert done.exit_code == 0, done.output
    folders = [Path(line) for line in done.stdout.splitlines()]
    assert sorted(folders) == sorted(Path("bundles/b.engines").resolve().iterdir())
    entries = [read_entry(folder) for folder in folders]
    assert [(entry.body["graph"], entry.recipe.precision) for entry in entries] == [
        *(("text", "fp32"), ("text", "fp16")),
        ("gallery", "fp32"),
    ]
    assert all(len(entry.read()) > 1000 for entry in entries)
    verify(Path("bundles/b"), read_manifest(Path("bundles/b"), "bundle"))


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        ([], 1, "Error: "),
        (["nowhere"], 1, "nowhere is no run: it has no manifest.json"),
        (["nowhere", "--target", "sm86"], 2, "--target goes with --trt"),
        (["nowhere", "--workspace", "1GiB"], 2, "--workspace goes with --trt"),
        (["nowhere", "--noise-samples", "-1"], 2, "-1 is not in the range x>=0"),
        (["nowhere", "--set", "noise_samples"], 2, "--set takes KEY=VALUE, not 'noise_samples'"),
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


@pytest.mark.parametrize(
    ("fields", "option"),
    [({"text", "image"}, "--file"), ({"sketch", "image"}, "--sketch"), ({"image"}, "--image")],
)
def test_the_next_step_is_one_that_the_model_takes(fields, option) -> None:
    """A model of sketches has no captions to be tried with."""
    assert first_query({frozenset({field}) for field in fields}).split()[0] == option
