"""`clip` on frozen encoders' features: where it begins, that it learns, and all that a run does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zscr.export.bundle import export_run
from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.infer.features.table import Array, Split, Table, starts_of
from zscr.train.fit import Request, fit
from zscr.train.heads import embed_split
from zscr.train.methods.clip.method import Config, Method
from zscr.train.tables import to_device

SHAPES = {"image": (12,), "text": (9,)}
RNG = np.random.default_rng(7)
IMAGE, TEXT = RNG.standard_normal((4, 12)), RNG.standard_normal((4, 9))


def items(count: int, seed: int) -> Split[Array]:
    """Make items of four hidden traits: an image shows them, and two texts tell them with noise."""
    rng = np.random.default_rng(seed)
    traits = rng.standard_normal((count, 4))
    images = np.tanh(traits @ IMAGE) + 0.3 * rng.standard_normal((count, 12))
    texts = traits.repeat(2, 0) @ TEXT + 1.5 * rng.standard_normal((2 * count, 9))
    names = tuple(f"{n:04d}" for n in range(2 * count))
    tables = {
        "image": Table(names[:count], images.astype(np.float32), starts_of([1] * count)),
        "text": Table(names, texts.astype(np.float32), starts_of([2] * count)),
    }
    return Split(names[:count], tables)


SEEN, VAL, UNSEEN = items(300, 1), items(100, 2), items(200, 3)


def started(**settings: float) -> Method:
    """Return the method before round 1."""
    config = Config(**{"dim": 8, "batch_size": 128, "lr": 1e-2, "rounds": 6} | settings)
    method = Method(config, SHAPES)
    method.bind(*(to_device(split, "cpu") for split in (SEEN, VAL)))
    method.start()
    return method


def recall(method: Method, split: Split[Array]) -> float:
    task = split_task(split, "val")
    return Embedded(task, *embed_split(method, split)).figure("Recall@10")


def test_the_start_is_what_does_best_on_validation_items(capsys: pytest.CaptureFixture) -> None:
    """As it is deployed, without dropout; any other choice, when it is set, does no better."""
    method = started(dropout=0.5)
    told = capsys.readouterr().err
    assert f"(Recall@10 {recall(method, VAL):.3f} before round 1)" in told
    for image, text, power in ((1e-2, 3e-3, 0.5), (1e-3, 1e3, 1.0), (3e-3, 1e3, 0.5)):
        other = started(image_penalty=image, text_penalty=text, power=power)
        assert recall(other, VAL) <= recall(method, VAL)


def test_a_refit_begins_with_what_was_chosen() -> None:
    """Nothing is chosen on items that it is fitted to: without validation items, as it was set."""
    method = started()
    again = Method(replace(method.config, **method.chosen), SHAPES)
    again.bind(to_device(SEEN, "cpu"), None)
    again.start()
    assert all(map(torch.equal, method.state_dict().values(), again.state_dict().values()))


def test_rounds_learn() -> None:
    """From a poor start, on items that fitted and chose nothing; the temperature is learnt, too."""
    method = started(dropout=0.0, image_penalty=10.0, text_penalty=1e3)
    before, scale = recall(method, UNSEEN), float(method.log_scale.detach())
    losses = [float(method.train_round()["loss/nce"]) for _ in range(6)]
    assert losses[-1] < losses[0]
    assert recall(method, UNSEEN) > before + 0.05
    assert float(method.log_scale.detach()) != scale


def test_a_run_on_real_encoders_is_exported_with_parity(
    shapes: Path, tiny_text: Path, tiny_image: Path, tmp_path: Path
) -> None:
    """Trained on pairs of items, chosen by Recall@10, refitted, and the same in onnxruntime."""
    encoders = {"image_encoder": str(tiny_image), "text_encoder": f"tfidf+{tiny_text}"}
    settings = {"rounds": 2, "dim": 8, "batch_size": 8}
    run = fit(Request("clip", shapes, tmp_path / "run", settings, device="cpu", **encoders))
    assert (run.refitted, "Recall@10" in run.best["figures"]) == (True, True)
    assert run.chosen.keys() == {"image_penalty", "text_penalty", "power"}
    bundle = export_run(run, tmp_path / "bundle")
    cosines = {
        name: graph["variants"]["fp32"]["parity"]["min_cosine"]
        for name, graph in bundle.graphs.items()
    }
    assert cosines == {"text": pytest.approx(1, abs=1e-5), "gallery": pytest.approx(1, abs=1e-5)}


@pytest.mark.gpu
def test_a_round_on_cuda_is_the_one_on_the_cpu() -> None:
    """One batch of all pairs, so that the device's own random order has no say.

    Products are compared: singular vectors, from which training starts, have any sign.
    """
    found = []
    for device in ("cpu", "cuda"):
        config = Config(dim=8, batch_size=2 * len(SEEN.groups), lr=1e-2, rounds=1, dropout=0.0)
        method = Method(config, SHAPES, device)
        method.bind(*(to_device(split, device) for split in (SEEN, VAL)))
        method.start()
        method.train_round()
        texts, images = embed_split(method, UNSEEN)
        found.append(texts @ images.T)
    assert np.abs(found[0] - found[1]).max() < 1e-3
