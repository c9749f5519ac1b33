"""The method of docs/methods.md, as an installed plug-in: no product file knows it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file

from zscr.cli import main
from zscr.data.collection import read_collection
from zscr.infer.encoder import load_encoder
from zscr.infer.features.split import load_split
from zscr.train.methods.contract import Need

ROOT = Path(__file__).parents[1]
LINES = 40  # that are not blank


@pytest.fixture(scope="module")
def site(lay_out: Callable[[str, str, str], Path]) -> Path:
    """Lay the page's code out as an installed distribution that names it as an entry point."""
    page = (ROOT / "docs/methods.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    [entry] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= LINES
    [(name, module)] = re.findall(r'^([\w-]+) = "(\w+)"$', entry, re.MULTILINE)
    return lay_out(name, module, code)


def zscr(*args: str) -> Result:
    """Run a command."""
    done = CliRunner().invoke(main, args, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done


def assert_ridge(run: Path, penalty: float) -> None:
    """Assert that a run's weights are the least squares of images and penalty rows, by numpy."""
    sources = json.loads((run / "manifest.json").read_text())["sources"]
    encoders = {name: load_encoder(Path(sources[name]["path"])) for name in ("image", "text")}
    needs = [Need("image", least=2), Need("text")]
    seen = load_split(read_collection(Path(sources["collection"]["path"])), "seen", needs, encoders)
    images, texts = (seen[name] for name in ("image", "text"))
    means = [texts.rows[a:b].mean(0) for a, b in pairwise(texts.starts)]
    targets = np.repeat(means, np.diff(images.starts), axis=0)
    dim = images.rows.shape[1]
    rows = np.vstack([images.rows, np.sqrt(penalty) * np.eye(dim)]).astype(np.float64)
    wanted = np.linalg.lstsq(rows, np.vstack([targets, np.zeros((dim, targets.shape[1]))]))[0]
    [best] = run.glob("best.*.safetensors")
    found = load_file(best)["map.weight"]
    np.testing.assert_allclose(found, wanted.T, atol=1e-4 * np.abs(wanted).max())


def test_a_plug_in_does_all_that_a_method_can(
    site: Path, shapes: Path, tiny_text: Path, tiny_image: Path, tmp_path: Path, monkeypatch
) -> None:
    """Train, evaluate, export with parity, index and answer, by the page's commands.

    The weights are those of the page's closed form, so it is `train_round` that has been called.
    """
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    encoders = ("--image-encoder", str(tiny_image), "--text-encoder", str(tiny_text))
    zscr("train", "class-ridge", "--collection", str(shapes), *encoders)
    assert_ridge(tmp_path / "runs/latest", penalty=1.0)
    judged = json.loads(zscr("evaluate", "runs/latest", "--json").stdout)
    assert judged["method"] == "class-ridge"
    exported = zscr("export")
    assert "onnxruntime agrees with torch" in exported.stderr
    found = zscr("query", "--file", "captions.txt", "-k", "3")
    answers = [json.loads(line) for line in found.stdout.splitlines()]
    assert [len(answer["hits"]) for answer in answers] == [3, 3]
    bundled = json.loads(zscr("evaluate", "--json").stdout)
    assert bundled["metrics"]["mAP"] == pytest.approx(judged["metrics"]["mAP"], abs=1e-6)
