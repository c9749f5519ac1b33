"""From a checkpoint to a found photo, by the commands that the README names."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from transformers import AutoModel, AutoProcessor

from zscr.cli import main

TEXT = "a photo of the red dog"


def run(*words: object) -> str:
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == 0, result.output
    return result.stdout


@torch.inference_mode()
def by_transformers(source: Path, paths: list[Path]) -> dict[str, float]:
    """Return the cosine of the text and each photo."""
    model, processor = AutoModel.from_pretrained(source), AutoProcessor.from_pretrained(source)
    photos = [Image.open(path) for path in paths]
    found = model.eval()(**processor(text=[TEXT], images=photos, return_tensors="pt"))
    cosines = (found.image_embeds @ found.text_embeds.T)[:, 0].tolist()
    return {os.fspath(path): cosine for path, cosine in zip(paths, cosines, strict=True)}


def test_four_commands_find_what_transformers_would(
    saved: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Export a checkpoint, list the models, use one, find: order and scores of the source."""
    monkeypatch.setenv("ZSCR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(7)
    photos = [tmp_path / "photos" / f"{number}.png" for number in range(8)]
    photos[0].parent.mkdir()
    for path in photos:
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(path)
    source = saved("clip")
    run("export", f"clip:{source}")
    assert source.name in run("models", "--format", "jsonl")
    run("models", "use", source.name)
    found = json.loads(run("find", TEXT, "photos/", "--threads", 1))
    assert found["ran"].startswith(f"{source.name}, onnxruntime")
    scores = {hit["image"]: hit["score"] for hit in found["hits"]}
    expected = by_transformers(source, photos)
    assert [*scores] == sorted(expected, key=lambda path: -expected[path])
    assert scores == pytest.approx(expected, abs=1e-4)
