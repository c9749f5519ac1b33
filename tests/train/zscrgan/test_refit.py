"""A refit of `zscrgan` is the run on all classes with what was chosen, and chooses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zscr.infer.features.table import Split, joined
from zscr.train.loop import train
from zscr.train.methods.settings import make_config
from zscr.train.run import Run, create_run
from zscr.train.tables import TensorSplit, to_numpy

SHAPES = {"text": (7,), "image": (5,)}
SMALL = {"gf_dim": 8, "df_dim": 8, "z_dim": 2, "landmarks": 16, "batch_size": 4, "e_steps": 3}
SMALL |= {"imagined": 64, "generator_lr": 2e-3, "rounds": 4, "validate_every": 3, "seed": 5}

Views = Callable[..., TensorSplit]


def made(folder: Path, *, refit: bool = True, **settings: object) -> Run:
    config = make_config("zscrgan", SMALL | settings)
    return create_run(folder, "zscrgan", config, SHAPES, {}, refit=refit)


def state(run: Run) -> dict[str, bytes]:
    """Return the bytes of the last checkpoint's files."""
    names = [name for name in run.files if name.startswith(("checkpoint.", "state."))]
    return {name.partition(".")[0]: (run.folder / name).read_bytes() for name in names}


def with_other_images(split: Split[np.ndarray]) -> Split[np.ndarray]:
    """Give every class the images of the next one."""
    images = replace(split["image"], rows=np.roll(split["image"].rows, 4, axis=0))
    return replace(split, tables={**split.tables, "image": images})


@pytest.fixture
def splits(views: Views) -> tuple[Split[np.ndarray], Split[np.ndarray]]:
    """Six seen and eight validation classes, on which a round and another shrinkage win."""
    return to_numpy(views()), to_numpy(views(8, seed=2))


def test_a_refit_is_the_run_on_both_splits_by_hand(
    splits: tuple[Split[np.ndarray], Split[np.ndarray]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """To the same bytes of weights, noise and optimizers; only the first choice says something."""
    seen, val = splits
    run, cpu = made(tmp_path / "run"), torch.device("cpu")
    train(run, seen, val, cpu)
    assert run.refitted
    assert capsys.readouterr().err.count("validation classes chose") == 1
    rounds, shrink = run.best["step"], run.chosen["text_shrink"]
    assert rounds == 3
    assert shrink == 0.1
    fixed = {"rounds": rounds, **run.chosen}
    hand = made(tmp_path / "hand", refit=False, **fixed)
    train(hand, joined(seen, val), val, cpu)
    assert state(run) == state(hand)
    loaded, wanted = run.load_model(), hand.new_method("cpu")
    hand.load_checkpoint(wanted)
    assert loaded.state_dict()["penalty"] == wanted.penalty > 0


def test_nothing_is_chosen_by_what_is_fitted(
    splits: tuple[Split[np.ndarray], Split[np.ndarray]], tmp_path: Path
) -> None:
    """Validation classes that change between choice and refit are fitted on, and change no choice.

    Had they been there before, settings or rounds would have been others.
    """
    (seen, val), cpu = splits, torch.device("cpu")
    other = with_other_images(val)
    whole, fresh, run = (made(tmp_path / n) for n in ("whole", "fresh", "run"))
    train(whole, seen, val, cpu)
    train(fresh, seen, other, cpu)
    run.refit = False
    train(run, seen, val, cpu)
    run.refit, run.done = True, False
    train(run, seen, other, cpu)
    assert (run.chosen, run.best) == (whole.chosen, whole.best)
    assert run.step == whole.step == run.best["step"]
    assert (fresh.chosen, fresh.step) != (run.chosen, run.step)
    assert state(run)["checkpoint"] != state(whole)["checkpoint"]
    rows = [json.loads(line) for line in run.log.read_text().splitlines()]
    assert all("val" not in row for row in rows if row.get("refit"))
