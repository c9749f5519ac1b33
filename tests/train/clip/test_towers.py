"""Towers of their own: from scratch or from a checkpoint, on raw pixels and token ids."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.errors import ConfigError
from zscr.export.bundle import export_run
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import load_encoder
from zscr.train.fit import Request, fit
from zscr.train.methods.clip.method import Method, needs
from zscr.train.methods.clip.text_tower import TextTower
from zscr.train.methods.settings import make_config
from zscr.train.pretrained.folder import open_dual
from zscr.train.run import Run

TEXTS = ["a photo of the small red bird", "blue", "the sea, the night and two dogs in a house " * 4]
SCRATCH = {"image": "trained", "text": "trained", "pixels": 32, "width": 16, "layers": 1}
SCRATCH |= {"dim": 8, "vocabulary": 300, "length": 12, "batch_size": 8, "rounds": 2}
SCRATCH |= {"select_by": "loss/nce"}


def trained(shapes: Path, out: Path, **settings: Any) -> tuple[Run, Bundle]:
    """Train on the shapes and export, which proves that onnxruntime computes the same."""
    run = fit(Request("clip", shapes, out / "run", settings, device="cpu"))
    return run, export_run(run, out / "bundle")


def test_towers_from_scratch_are_trained_and_exported(shapes: Path, tmp_path: Path) -> None:
    """Their graphs read files and texts as any bundle's do; both towers have moved.

    What they are fed with is kept in as few bytes as it has.
    """
    run, bundle = trained(shapes, tmp_path, **SCRATCH)
    assert run.shapes == {"image": (3, 32, 32), "text": (12,)}
    kept = [np.load(path).dtype for path in sorted((shapes / "features").glob("raw-*.npy"))]
    assert kept == ["uint8", "int32"]
    begun, done = run.new_method("cpu").state_dict(), run.load_model().state_dict()
    moved = {name.split(".")[0] for name in begun if not torch.equal(begun[name], done[name])}
    assert moved == {"image", "text", "log_scale"}
    image = sorted(shapes.glob("*.png"))[0]
    rows = bundle.graph("gallery").encode([Query(image=image), Query(image=Image.open(image))])
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)
    texts = bundle.graph("text").encode(Query.of("text", ["a small red circle", "größer 🐕"]))
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("family", ["clip", "siglip", "chinese_clip"])
def test_towers_of_a_checkpoint_begin_as_they_were_published(
    saved: Callable[[str], Path], shapes: Path, family: str
) -> None:
    """Fed with raw rows, they embed files and texts as the authors' code does."""
    config = make_config("clip", {"image": "trained", "text": "trained", "init": saved(family)})
    encoders = {
        need.table: load_encoder(need.encoder(read_collection(shapes))) for need in needs(config)
    }
    method = Method(config, {name: encoder.row_shape for name, encoder in encoders.items()})
    dual, images = open_dual(saved(family)), sorted(shapes.glob("*.png"))[:3]
    queries = {"image": Query.of("image", images), "text": Query.of("text", TEXTS)}
    wanted = {
        "image": dual.reference.images([Image.open(path) for path in images]),
        "text": dual.reference.texts(TEXTS),
    }
    for name, tower in (("image", method.image), ("text", method.text)):
        rows = torch.from_numpy(encoders[name].encode(queries[name]))
        found = tower.eval()(rows).detach().numpy()
        np.testing.assert_allclose(found, wanted[name], atol=1e-5)


def test_a_checkpoint_is_tuned_and_exported(
    saved: Callable[[str], Path], shapes: Path, tmp_path: Path
) -> None:
    """With the image tower locked, it stays as it was, and the text tower learns its space."""
    settings = {"image": "locked", "text": "trained", "init": str(saved("clip")), "lr": 1e-3}
    settings |= {"rounds": 1, "batch_size": 8, "select_by": "loss/nce"}
    run, _ = trained(shapes, tmp_path, **settings)
    begun, done = run.new_method("cpu").state_dict(), run.load_model().state_dict()
    moved = {name.split(".")[0] for name in begun if not torch.equal(begun[name], done[name])}
    assert moved == {"text", "log_scale"}


def test_a_killed_run_goes_on_to_the_same_bytes(
    killer: Callable[..., dict[str, Any]], shapes: Path, tmp_path: Path
) -> None:
    """With dropout and augmentation, batches in chunks, and a refit; killed in its second round."""
    settings = {**SCRATCH, "rounds": 3, "chunk": 3, "select_by": "Recall@1"}
    words = [word for pair in settings.items() for word in ("--set", "{}={}".format(*pair))]
    start = ["train", "clip", "--collection", str(shapes), "--out", "run", "--device", "cpu"]
    weights = []
    for name, at in (("whole", 0), ("killed", 2)):
        (tmp_path / name).mkdir()
        done = killer([*start, *words], tmp_path / name, at=at, call="round")
        if at:
            assert done["status"] == -signal.SIGKILL, done
            done = killer(["train", "--resume", "--out", "run"], tmp_path / name)
        assert done["status"] == 0, done
        run = tmp_path / name / "run"
        weights.append({path.name: path.read_bytes() for path in run.glob("*.safetensors")})
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text": "trained", "vocabulary": 100}, "vocabulary=100 must be at least 259"),
        ({"image": "trained", "pixels": 40}, "pixels=40 must be a multiple of 16"),
        ({"image": "locked"}, "is that of init=FOLDER, which is not set"),
        ({"init": "x"}, "init=.*/x is for towers that are trained"),
        ({"image": "locked", "text": "locked", "init": "x"}, "so nothing is trained"),
        ({"temperature": 0}, "temperature=0.0 must be from 0.01 to 1"),
        ({"image": "big"}, "image='big' is unknown; use one of frozen, trained, locked"),
    ],
)
def test_settings_that_train_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    """Before anything is read, with what is allowed."""
    with pytest.raises(ConfigError, match=message):
        make_config("clip", settings)


def test_an_encoder_beside_a_tower_is_refused(shapes: Path, tmp_path: Path) -> None:
    """A tower that is trained takes pixels, and the encoder asked for would make no difference."""
    request = Request("clip", shapes, tmp_path / "run", SCRATCH, device="cpu", image_encoder="x")
    with pytest.raises(ConfigError, match="--image-encoder: with these settings the method"):
        fit(request)


def test_a_text_is_read_at_its_end_and_never_behind_it() -> None:
    """Every token counts, in its place; padding to any length changes nothing."""
    torch.manual_seed(7)
    tower = TextTower(vocabulary=20, length=6, width=8, layers=2, embed_dim=4).eval()
    texts = [
        [5, 6, 7, -1, -1, -1],
        [9, 6, 7, -1, -1, -1],
        [6, 5, 7, -1, -1, -1],
        [5, 6, 7, 7, 7, 7],
    ]
    with torch.no_grad():
        rows = tower(torch.tensor(texts, dtype=torch.int32))
        again = tower(torch.tensor([texts[0], texts[0]], dtype=torch.int32))
    torch.testing.assert_close(again, rows[:1].expand(2, -1))
    for other in rows[1:]:
        assert (other - rows[0]).abs().max() > 1e-3


def test_a_frozen_side_teaches_a_tower(shapes: Path, tiny_image: Path, tmp_path: Path) -> None:
    """A text tower learns the space of frozen image features (LiT), which begin as they are."""
    settings = {**SCRATCH, "image": "frozen", "rounds": 3, "lr": 1e-2, "dropout": 0.0}
    request = Request("clip", shapes, tmp_path / "run", settings, device="cpu", refit=False)
    run = fit(replace(request, image_encoder=str(tiny_image)))
    assert (run.shapes, run.chosen) == ({"image": (16,), "text": (12,)}, {})
    losses = [json.loads(line)["loss/nce"] for line in run.log.read_text().splitlines()]
    assert losses[-1] < losses[0]
