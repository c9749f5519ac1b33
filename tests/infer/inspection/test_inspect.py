"""`zscr inspect`: every kind of artefact, lone files, and what is damaged or nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from zscr.artefact import REMAKE, staged
from zscr.cli import main
from zscr.infer.bundle import Bundle
from zscr.infer.index.add import add_images
from zscr.infer.inspection.artefacts import DESCRIBE


def inspect(*args: object) -> Any:
    return CliRunner().invoke(main, ["inspect", *map(str, args)])


def told(*args: object) -> dict[str, Any]:
    done = inspect(*args, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_kind_of_artefact_is_described() -> None:
    """A new kind needs a function here."""
    assert DESCRIBE.keys() == REMAKE.keys()


def test_a_bundle(bundle_folder: Path) -> None:
    """Its graphs with inputs and parameters, its files, and what takes it."""
    found = told(bundle_folder)
    assert found["what"] == "bundle"
    assert found["graphs"]["query.onnx"]["parameters"] == 24 * 8
    assert found["graphs"]["query.onnx"]["inputs"] == {"given": "int64 [batch, 24]"}
    assert found["graphs"]["query.onnx"]["operators"]["MatMul"] == 1
    assert {one["state"] for one in found["files"]} == {"not checked"}
    assert f"zscr doctor {bundle_folder}" in found["next"]


def test_hashes_are_compared_when_asked_for(bundle_folder: Path, tmp_path: Path) -> None:
    """All sound: exit 0. One byte changed: that file is named, the others sound, exit 1."""
    folder = tmp_path / "copy"
    shutil.copytree(bundle_folder, folder)
    assert inspect(folder, "--verify").exit_code == 0
    content = bytearray((folder / "query.onnx").read_bytes())
    content[-1] ^= 1
    (folder / "query.onnx").write_bytes(content)
    assert inspect(folder).exit_code == 0
    done = inspect(folder, "--verify", "--json")
    assert done.exit_code == 1
    assert "1 of 3 files" in done.stderr
    states = {one["name"]: one["state"] for one in json.loads(done.stdout)["files"]}
    assert "damaged" in states["query.onnx"]
    assert states["gallery.onnx"] == "sound"


def test_an_index(bundle: Bundle, images: Callable[..., list[Path]], tmp_path: Path) -> None:
    add_images(bundle, tmp_path / "some.index", images(5))
    found = told(tmp_path / "some.index")
    facts = found["facts"]
    assert (found["what"], facts["count"], facts["dim"], facts["search"]) == (
        "index",
        5,
        8,
        "exact",
    )
    assert f"zscr index verify {tmp_path / 'some.index'}" in found["next"]


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("encoder", {"name": "net", "inputs": [{"field": "image"}], "dtype": "float16"}, "image"),
        (
            "run",
            {"method": "zscrgan", "step": 3, "best": {"value": 0.5, "step": 2}, "sources": {}},
            "0.5 at step 2",
        ),
        ("engine", {"status": "built, not run", "graph": "text"}, "not run"),
        ("snapshot", {"repository": "openai/clip"}, "openai/clip"),
        ("descriptions", {"source": "file", "prompts": {"a": "b"}}, "file"),
    ],
)
def test_other_kinds(tmp_path: Path, kind: str, body: dict[str, Any], expected: str) -> None:
    """Their fields, and a version of zscr where the manifest has one."""
    with staged(tmp_path / "it", kind) as stage:
        stage.body |= body | {"versions": {"zscr": "0.1"}}
    facts = told(tmp_path / "it")["facts"]
    assert any(expected in str(value) for value in facts.values())
    assert facts["zscr"] == "0.1"
    assert inspect(tmp_path / "it").stdout.startswith(f"{tmp_path / 'it'}: {kind}\n")


def test_lone_files(tmp_path: Path, bundle_folder: Path) -> None:
    """A graph, an array, tensors, results, and a cache of features."""
    cache = tmp_path / "features"
    cache.mkdir()
    np.save(cache / "net.5.npy", np.zeros((5, 3), np.float32))
    listed = {"file": "net.5.npy", "sha256": "0" * 64, "keys": ["k"] * 5}
    (cache / "net.json").write_text(json.dumps(listed))
    save_file({"w": np.zeros((2, 3), np.float16)}, tmp_path / "w.safetensors")
    results = {"machine": {"cpu": "A CPU"}, "seed": 7, "rows": [1, 2]}
    (tmp_path / "results.json").write_text(json.dumps(results))

    assert [*told(bundle_folder / "gallery.onnx")["graphs"]] == ["gallery.onnx"]
    array = told(cache / "net.5.npy")["facts"]
    assert (array["type"], array["shape"]) == ("float32", [5, 3])
    assert told(tmp_path / "w.safetensors")["about"] == ["w: F16 [2, 3]"]
    found = told(tmp_path / "results.json")
    assert (found["what"], found["facts"]["seed"]) == ("results of a measurement", 7)
    assert found["about"] == ["rows: 2 values", "machine cpu: A CPU"]
    assert told(cache)["about"] == ["net: 5 rows in net.5.npy, float32 [5, 3]"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.onnx", b"no graph", "a.onnx is damaged, or no .onnx file"),
        ("a.npy", b"\x93NUMPY", "a.npy is damaged, or no .npy file"),
        ("a.safetensors", b"", "a.safetensors is damaged, or no .safetensors file"),
        ("a.json", b"{", "a.json is damaged, or no .json file"),
        ("a.png", b"", "is no file that can be told of"),
        ("manifest.json", b"{", "manifest.json is damaged"),
        ("manifest.json", b'{"kind": "cake"}', "is of kind 'cake', not one of collection"),
        ("manifest.json", b'{"kind": "bundle"}', "manifest.json is damaged"),
    ],
)
def test_what_is_damaged_or_nothing_is_one_sentence(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    """Exit 1, no traceback."""
    (tmp_path / name).write_bytes(content)
    done = inspect(tmp_path / name)
    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_places_that_hold_nothing(tmp_path: Path) -> None:
    """Nowhere, an empty folder, and a pipe, which is not waited for."""
    os.mkfifo(tmp_path / "pipe.safetensors")
    for path, said in {
        tmp_path / "nowhere": "there is no",
        tmp_path: "has no manifest.json, so it is no collection",
        tmp_path / "pipe.safetensors": "is a named pipe",
    }.items():
        done = inspect(path)
        assert done.exit_code == 1
        assert said in done.stderr
