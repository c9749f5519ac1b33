"""Towers of their own: from scratch or from a checkpoint, on raw pixels and token ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from zscr.data.records import Query
from zscr.export.bundle import export_run
from zscr.infer.bundle import Bundle
from zscr.train.fit import Request, fit
from zscr.train.run import Run

SCRATCH = {"image": "trained", "text": "trained", "pixels": 32, "width": 16, "layers": 1}
SCRATCH |= {"dim": 8, "vocabulary": 300, "length": 12, "batch_size": 8, "rounds": 2}
SCRATCH |= {"select_by": "loss/nce"}


def trained(shapes: Path, out: Path, **settings: Any) -> tuple[Run, Bundle]:
    """Train on the shapes and export, which proves that onnxruntime computes the same."""
    run = fit(Request("clip", shapes, out / "run", settings, device="cpu"))
    return run, export_run(run, out / "bundle")


def test_towers_from_scratch_are_trained_and_exported(shapes: Path, tmp_path: Path) -> None:
    """Their graphs read files and texts as any bundle's do; both towers have moved."""
    run, bundle = trained(shapes, tmp_path, **SCRATCH)
    assert run.shapes == {"image": (3, 32, 32), "text": (12,)}
    begun, done = run.new_method("cpu").state_dict(), run.load_model().state_dict()
    moved = {name.split(".")[0] for name in begun if not torch.equal(begun[name], done[name])}
    assert moved == {"image", "text", "log_scale"}
    image = sorted(shapes.glob("*.png"))[0]
    rows = bundle.graph("gallery").encode([Query(image=image), Query(image=Image.open(image))])
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)
    texts = bundle.graph("text").encode(Query.of("text", ["a small red circle", "größer 🐕"]))
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
