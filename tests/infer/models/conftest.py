"""Fixtures of the models' tests: a user's folder, and dual encoders of two small graphs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from click.testing import CliRunner

from zscr.artefact import staged
from zscr.cli import main

ALPHABET = "abcdefghijklmnopqrstuvwxyz "
_HEAD = '<ir_version: 10, opset_import: ["": 18]>'
_UNIT = """
    square = Mul (rows, rows)
    length = ReduceSum <keepdims = 1> (square, last)
    norm = Sqrt (length)
    embedding = Div (rows, norm) }"""
# A text is its number of each of 27 characters, an image the means of its three channels.
_TEXT = """text (int64[batch, 40] characters) => (float[batch, 3] embedding)
<int64[1] last = {-1}, int64[1] middle = {1}> {
    letters = Gather (table, characters)
    rows = ReduceSum <keepdims = 0> (letters, middle)"""
_GALLERY = """gallery (float[batch, 3, 8, 8] pixels) => (float[batch, 3] embedding)
<int64[1] last = {-1}, int64[2] places = {2, 3}> {
    means = ReduceMean <keepdims = 0> (pixels, places)
    rows = MatMul (means, table)"""
TEXT = {
    "field": "text",
    "kind": "characters",
    "names": ["characters"],
    "dtype": "int64",
    "shape": ["batch", 40],
    "max_length": 40,
    "unit": "characters",
    "alphabet": ALPHABET,
}
PIXELS = {
    "field": "image",
    "kind": "image",
    "names": ["pixels"],
    "dtype": "float32",
    "shape": ["batch", 3, 8, 8],
    "preprocess": {
        "image_size": 8,
        "resample": "bilinear",
        "rescale": 1 / 255,
        "mean": [0.0] * 3,
        "std": [1.0] * 3,
    },
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a user's folder, and a current one, of its own."""
    monkeypatch.setenv("ZSCR_HOME", str(tmp_path / "home"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "home"


@pytest.fixture
def run() -> Callable[..., Any]:
    """Return a function that runs `zscr models` here; standard error is apart."""
    return lambda *args: CliRunner().invoke(main, ["models", *map(str, args)])


@pytest.fixture
def rows(run: Callable[..., Any]) -> Callable[..., dict[str, dict[str, Any]]]:
    """Return a function that lists models: name -> what the list says of it."""

    def listed(*args: object) -> dict[str, dict[str, Any]]:
        done = run(*args, "--format", "jsonl")
        assert done.exit_code == 0, done.output
        return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}

    return listed


@pytest.fixture(scope="session")
def dual() -> Callable[..., Path]:
    """Return a function that writes a dual encoder's bundle, of its own weights by `seed`."""

    def make(
        path: Path,
        *,
        seed: int = 1,
        texts: bool = True,
        alphabet: str = ALPHABET,
        examples: str = "",
        **provenance: Any,
    ) -> Path:
        rng = np.random.default_rng(seed)
        with staged(path, "bundle") as stage:
            if examples:
                row = json.dumps({"text": examples, "class": "one"})
                (stage.folder / "examples.jsonl").write_text(row + "\n")
            graphs = {"gallery": _entry("gallery", PIXELS, np.eye(3), _GALLERY, stage.folder)}
            if texts:
                table = rng.random((len(ALPHABET) + 1, 3)) + 0.1
                spec = TEXT | {"alphabet": alphabet}
                graphs["text"] = _entry("query", spec, table, _TEXT, stage.folder)
            about = {"dim": 3, "metric": "cosine", "space": f"space{seed}", "method": "clip"}
            stage.body |= about | {"default_precision": "fp32", "graphs": graphs}
            stage.body |= {"provenance": provenance}
        return path

    return make


def _entry(role: str, spec: Any, table: Any, text: str, folder: Path) -> dict[str, Any]:
    model = onnx.parser.parse_model(_HEAD + text + _UNIT)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(table), "table"))
    name = "text" if role == "query" else role
    onnx.save(model, folder / f"{name}.onnx")
    variant = {"file": f"{name}.onnx", "parity": {"max_abs": 1e-7}}
    return {"role": role, "output": "embedding", "inputs": [spec], "variants": {"fp32": variant}}
