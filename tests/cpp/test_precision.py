"""The precision that query graphs run in is chosen as in Python, and said in what ran."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

from zscr.artefact import hash_file, read_manifest, write_manifest
from zscr.errors import ConfigError, ZscrError
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher
from zscr.processor import processor_flags

CONFIG, ARTEFACT = 4, 1
TEXT = "a small bird on the beach"
HERE = sorted(processor_flags() or ())[:3]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Make a bundle whose graphs are there in 8 bits, too, and were refused in 4."""
    import onnx
    from bundles import make_bundle, make_index

    folder = make_bundle(tmp_path / "b", "clip")
    make_index(tmp_path / "b.index", folder, 60)
    manifest = read_manifest(folder, "bundle")
    for name in ("text", "gallery"):
        model = onnx.load(folder / f"{name}.onnx")
        [weights] = model.graph.initializer
        rounded = np.round(onnx.numpy_helper.to_array(weights) * 8) / 8
        weights.CopyFrom(onnx.numpy_helper.from_array(rounded, weights.name))
        onnx.save(model, folder / f"{name}.int8.onnx")
        manifest.body["graphs"][name]["variants"]["int8"] = {"file": f"{name}.int8.onnx"}
    manifest.body["precisions"] = {"rungs": {"int4": {"why": "mAP may drop by 0.01"}}}
    sign(folder, **manifest.body)
    return folder


def sign(folder: Path, **fields: Any) -> None:
    """Write a bundle's manifest with other fields, and with the files that are there."""
    names = sorted(path.name for path in folder.iterdir() if path.name != "manifest.json")
    files = {
        name: {"sha256": hash_file(folder / name), "bytes": (folder / name).stat().st_size}
        for name in names
    }
    write_manifest(folder, "bundle", files, {**read_manifest(folder, "bundle").body, **fields})


@pytest.mark.parametrize(
    ("instructions", "asked", "runs"),
    [
        (HERE, None, "int8"),
        ([*HERE, "none-such"], None, "fp32"),
        (None, None, "fp32"),
        (HERE, "fp32", "fp32"),
        (None, "int8", "int8"),
    ],
)
def test_it_is_chosen_as_in_python(instructions, asked, runs, bundle, library):
    """The fastest where the processor has its instructions; the same hits, shares and `ran`."""
    if instructions:
        sign(bundle, fastest={"precision": "int8", "instructions": instructions})
    ours = library.open(bundle, **({"precision": asked.encode()} if asked else {}))
    theirs = Searcher.open(bundle, runtime=Runtime(threads=1, precision=asked))
    [found], [wanted] = ours.search([TEXT]), theirs.search(TEXT)
    assert theirs.bundle.precision == runs
    assert found.ran == wanted.ran
    assert found.ran.endswith("1 threads" + (", int8" if runs == "int8" else ""))
    hits = [(h.id, h.score, h.above_unrelated) for h in wanted.hits]
    assert [(h[1], h[2], h[6]) for h in found.hits] == hits
    assert hits[0][2] is not None  # calibrated by fp32's name, whichever runs


def test_only_queries_run_in_it(bundle, library, tmp_path):
    """The gallery's graph, which answers images, stays in the default one."""
    from PIL import Image

    sign(bundle, fastest={"precision": "int8", "instructions": HERE})
    Image.new("RGB", (9, 7), "red").save(tmp_path / "red.png")
    [found] = library.open(bundle).search_images([tmp_path / "red.png"])
    assert found.ran.endswith("1 threads")


@pytest.mark.parametrize("asked", ["int4", "fp64"])
def test_one_that_is_not_there_is_refused(asked, bundle, library, built):
    """In Python's words, with why the export did not keep it; so by the example program."""
    from library import Refused, capi

    with pytest.raises(ConfigError) as wanted:
        Searcher.open(bundle, runtime=Runtime(precision=asked))
    with pytest.raises(Refused) as found:
        library.open(bundle, precision=asked.encode())
    assert (found.value.code, found.value.message) == (CONFIG, str(wanted.value))
    assert ("mAP may drop" in found.value.message) == (asked == "int4")
    command = [built / "zscr-query", bundle, "--onnxruntime", capi(), "--precision", asked]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, input=TEXT)
    assert (done.returncode, done.stderr) == (1, f"error: {wanted.value}\n")


@pytest.mark.parametrize(
    "fastest",
    [{"precision": "int8"}, {"precision": "int8", "instructions": []}, {"instructions": HERE}],
)
def test_a_manifest_that_says_half_of_it_is_refused(fastest, bundle, library):
    """By both, although fp32 could run."""
    from library import Refused

    sign(bundle, fastest=fastest)
    with pytest.raises(ZscrError):
        Searcher.open(bundle)
    with pytest.raises(Refused) as found:
        library.open(bundle, precision=b"fp32")
    assert found.value.code == ARTEFACT


def test_options_of_an_earlier_version(bundle, library):
    """A program that was compiled before the option was there gets the bundle's own choice."""
    from library import Options

    sign(bundle, fastest={"precision": "int8", "instructions": HERE})
    ours = library.open(bundle, size=Options.precision.offset, precision=b"fp32")
    assert ours.search([TEXT])[0].ran.endswith(", int8")
