"""Fixtures of the runtime's tests: images, queries, killed processes, a bundle made by hand."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from zscr.artefact import dump_jsonl, hash_file, staged
from zscr.cli import main
from zscr.infer.bundle import Bundle, space_of
from zscr.infer.runners.runner import Runtime

DIM = 8
EXAMPLES = {"a red wren": "wren", "a robin": "robin", "blue tit": "tit"}
ALPHABET = "abcdefghijklmnopqrstuvwxyz "
OF_PIXELS = """first = Constant <value = int64[1] {0}> ()
               last = Constant <value = int64[1] {6}> ()
               axis = Constant <value = int64[1] {1}> ()
               few = Slice (flat, first, last, axis)
               feature = LpNormalization <axis = 1, p = 2> (few)"""
SIZE, LENGTH = 8, 24  # sides of an image in pixels, characters of a text


class Counted:
    """A runner that notes the size of every batch."""

    def __init__(self, runner: Any) -> None:
        self.runner, self.outputs, self.ran = runner, runner.outputs, runner.ran
        self.sizes: list[int] = []

    def run(self, feeds: Any) -> Any:
        self.sizes.append(len(next(iter(feeds.values()))))
        return self.runner.run(feeds)


@pytest.fixture(scope="session")
def counted() -> Callable[[Any], list[int]]:
    """Return a function that gives an encoder such a runner, and returns its list of sizes."""

    def count(encoder: Any) -> list[int]:
        encoder.runner = Counted(encoder.runner)
        return encoder.runner.sizes

    return count


@pytest.fixture
def images(tmp_path: Path) -> Callable[..., list[Path]]:
    """Return a function that makes `count` noisy images of odd sizes in a folder."""

    def make(count: int, name: str = "images", seed: int = 7) -> list[Path]:
        rng = np.random.default_rng(seed)
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        paths = [folder / f"{number:02}.png" for number in range(count)]
        for path in paths:
            height, width = rng.integers(20, 50, 2)
            Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
        return paths

    return make


@pytest.fixture(scope="session")
def searcher(deployed: Any) -> Any:
    """Open the deployed model."""
    from zscr.infer.runners.runner import Runtime
    from zscr.infer.searcher import Searcher

    return Searcher.open(deployed.bundle, deployed.index, Runtime(threads=1))


# A script that forks children which kill themselves just before a chosen call to the disk.
_PRELUDE = """
import json, os, signal, sys
from pathlib import Path
from typing import Any

DISK = ("fsync", "replace", "rename", "unlink", "mkdir", "rmdir")
counts = []

def count(encoder):
    '''Let `rows_of` count what this encoder encodes.'''
    encoder.runner = Counted(encoder.runner)
    counts.append(encoder.runner.sizes)

def killed(work, calls):
    '''Fork, work, and die at that call; say whether the work was finished before.'''
    def dying(call):
        def wrapped(*args, **kwargs):
            nonlocal calls
            calls -= 1
            if calls < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)
        return wrapped

    child = os.fork()
    if child == 0:
        for name in DISK:
            setattr(os, name, dying(getattr(os, name)))
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status != 0

def rows_of(work):
    '''Work, and return how many rows were encoded for it.'''
    before = sum(map(sum, counts))
    work()
    return sum(map(sum, counts)) - before
"""


@pytest.fixture
def run_killed() -> Callable[..., list[Any]]:
    """Return a function that runs a script after the prelude above; it prints a JSON a line."""

    def run(script: str, *args: object) -> list[Any]:
        whole = "\n".join(
            ("from __future__ import annotations", inspect.getsource(Counted), _PRELUDE)
        )
        command = [sys.executable, "-c", whole + script, *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture
def query(deployed: Any) -> Callable[..., Any]:
    """Return a function that runs `zscr query` here; standard error is apart."""

    def run(*args: object, stdin: str | None = None) -> Any:
        about = ["query", "--bundle", str(deployed.bundle), "--threads", "1"]
        return CliRunner().invoke(main, [*about, *map(str, args)], input=stdin)

    return run


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Path]:
    """Return a function that writes a bundle: pixels and characters, each times a matrix."""

    def make(
        folder: Path,
        *,
        gallery: int = 0,
        query: int = 1,
        takes: str = "text",
        gallery_takes: str = "image",
        feature: bool = False,
        examples: Mapping[str, str] = EXAMPLES,
    ) -> Path:
        with staged(folder, "bundle") as stage:
            ours, theirs = _inputs(takes), _inputs(gallery_takes)
            _write_graph(stage.folder / "query.onnx", ours, seed=query)
            _write_graph(stage.folder / "gallery.onnx", theirs, seed=gallery, feature=feature)
            rows = [{"text": text, "class": name} for text, name in examples.items()]
            (stage.folder / "examples.jsonl").write_bytes(dump_jsonl(rows))
            sha256 = hash_file(stage.folder / "gallery.onnx")
            stage.body |= {
                "method": "by hand",
                "dim": DIM,
                "metric": "cosine",
                "space": space_of(sha256, [theirs], DIM, "cosine"),
                "default_precision": "fp32",
                "graphs": {
                    "query": _graph_entry("query", ours),
                    "gallery": _graph_entry("gallery", theirs)
                    | ({"feature": "feature"} if feature else {}),
                },
            }
        return folder

    return make


def _graph_entry(role: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    variants = {"fp32": {"file": f"{role}.onnx"}}
    return {"role": role, "output": "embedding", "inputs": [spec], "variants": variants}


def _inputs(field: str) -> dict[str, Any]:
    spec = {"field": field, "names": ["given"]}
    if field == "text":
        return spec | {"kind": "characters", "max_length": LENGTH, "alphabet": ALPHABET}
    if field == "vector":
        return spec | {"kind": "vector", "dtype": "float32", "shape": ["batch", LENGTH]}
    how = {"image_size": SIZE, "resample": "bilinear", "rescale": 1 / 255}
    how |= {"mean": [0.5] * 3, "std": [0.5] * 3} | ({"strokes": True} if field == "sketch" else {})
    return spec | {"kind": "image", "preprocess": how}


def _write_graph(path: Path, spec: Mapping[str, Any], *, seed: int, feature: bool = False) -> None:
    """Write: flatten, times a random matrix, to norm 1; the feature is of the first six pixels."""
    import onnx.parser

    image = spec["kind"] == "image"
    shape = f"batch, 3, {SIZE}, {SIZE}" if image else f"batch, {LENGTH}"
    model = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        by_hand ({"int64" if spec["field"] == "text" else "float"}[{shape}] given)
            => (float[batch, {DIM}] embedding{", float[batch, 6] feature" if feature else ""})
        {{
            numbers = Cast <to = 1> (given)
            flat = Flatten <axis = 1> (numbers)
            moved = MatMul (flat, matrix)
            embedding = LpNormalization <axis = 1, p = 2> (moved)
            {OF_PIXELS if feature else ""}
        }}
    """)
    width = 3 * SIZE * SIZE if image else LENGTH
    matrix = np.random.default_rng(seed).standard_normal((width, DIM), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(matrix, "matrix"))
    onnx.save(model, path)


@pytest.fixture(scope="session")
def bundle_folder(
    make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Make such a bundle once; read it, never write to it."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "birds")


@pytest.fixture
def bundle(bundle_folder: Path) -> Bundle:
    """Open it."""
    return Bundle.open(bundle_folder, Runtime(threads=1))
