"""Round 0 is a candidate, and what was chosen is fitted anew on seen and validation classes."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zscr.errors import ConfigError
from zscr.export.bundle import export_run
from zscr.infer.evaluation.table import table
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit, is_refitted
from zscr.train.methods.settings import make_config
from zscr.train.run import Run, open_run

METHOD = "zscrgan-reference"
ORACLE = {"gf_dim": 8, "df_dim": 8, "embed_dim": 8, "z_dim": 2, "batch_size": 4, "e_steps": 1}
ORACLE |= {"critic_steps": 1, "m_steps": 1, "rounds": 3, "validate_every": 1}
ORACLE |= {"select_on_test": True, "generator_lr": 0.3, "seed": 3}


def train(collection: Path, out: Path, refit: bool | None = None, **settings: Any) -> Run:
    return fit(Request("plain", collection, out, settings, device="cpu", refit=refit))


def log_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.log.read_text().splitlines()]


def best_of(run: Run) -> bytes:
    [path] = run.folder.glob("best.*")
    return path.read_bytes()


def test_round_0_is_kept_where_rounds_only_harm(
    plain: ModuleType, vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights are those that `start` left, which `rounds=0` trains no further; it is told."""
    run = train(vectors, tmp_path / "run", rounds=3, rate=1.0, seed=10)
    values = [row["val"]["mAP"] for row in log_of(run)]
    assert max(values[1:]) < values[0] == run.best["value"]
    assert run.best["step"] == 0
    told = "no round did better than the start"
    assert told in capsys.readouterr().err
    assert [name for name, _ in plain.CALLS[-2:]] == ["bind", "start"]  # of no round's refit
    plain.CALLS.clear()
    none = train(vectors, tmp_path / "none", rounds=0, rate=1.0, seed=10)
    assert [name for name, _ in plain.CALLS] == ["bind", "start"] * 2
    assert (none.done, none.best) == (True, run.best)
    train(vectors, tmp_path / "better", rounds=3, seed=10)
    assert told not in capsys.readouterr().err
    assert best_of(none) == best_of(run)
    alone = train(vectors, tmp_path / "alone", refit=False, rounds=0, rate=1.0, seed=10)
    assert (alone.done, alone.refitted, best_of(alone)) == (True, False, best_of(run))


def test_a_refit_begins_anew_on_both_splits(
    plain: ModuleType, vectors: Path, tmp_path: Path
) -> None:
    """For as many rounds as the best weights had; it is logged, and judged by nothing."""
    run = train(vectors, tmp_path / "run", rounds=8, rate=0.05, seed=5)
    best = run.best["step"]
    assert 0 < best < 8
    calls = [(name, state["tables"]["image"][0]) for name, state in plain.CALLS]
    rounds = [(f"round {n}", 32) for n in range(1, best + 1)]
    assert calls[10:] == [("bind", 32), ("start", 32), *rounds]
    first, again = plain.CALLS[1][1], plain.CALLS[11][1]
    assert first["asking"].equal(again["asking"])
    assert first["noise"].equal(again["noise"])
    refit = [row for row in log_of(run) if row.get("refit")]
    assert [row["round"] for row in refit] == [*range(1, best + 1)]
    assert all("val" not in row and "selection" not in row for row in refit)


def test_validation_classes_judge_the_weights_from_before(
    plain: ModuleType, vectors: Path, tmp_path: Path
) -> None:
    """With the figures that chose; the refitted ones are others, and their bundle refuses."""
    run = train(vectors, tmp_path / "run", rounds=8, rate=0.05, seed=9)
    alone = train(vectors, tmp_path / "alone", refit=False, rounds=8, rate=0.05, seed=9)
    val = evaluate_model(run.folder, Question(split="val"))
    assert val["metrics"] == run.best["figures"] == alone.best["figures"]
    assert (val["refitted"], val["selection"]) == (False, "selected on validation classes")
    unseen = evaluate_model(run.folder)
    assert unseen["metrics"] != evaluate_model(alone.folder)["metrics"]
    said = "selected on validation classes, then refitted on seen and validation classes"
    assert (unseen["refitted"], unseen["selection"]) == (True, said)
    bundle = export_run(run, tmp_path / "bundle")
    judged = evaluate_model(bundle.folder)
    assert judged["metrics"] == pytest.approx(unseen["metrics"], abs=1e-6)
    assert said in table(judged)
    with pytest.raises(ConfigError, match="bundle was refitted on the validation classes; judge"):
        evaluate_model(bundle.folder, Question(split="val"))
    own = export_run(alone, tmp_path / "own").folder
    assert evaluate_model(own, Question(split="val"))["metrics"] == pytest.approx(val["metrics"])


def test_a_refit_of_what_a_loss_selects(plain: ModuleType, vectors: Path, tmp_path: Path) -> None:
    """The rounds are those of the least loss on the seen classes."""
    run = train(vectors, tmp_path / "run", select_by="loss/nce", rounds=6, rate=0.0)
    losses = [row["loss/nce"] for row in log_of(run) if "refit" not in row]
    assert (run.step, run.refitted) == (1 + losses.index(min(losses)), True)


@pytest.mark.parametrize(
    ("wish", "recipe", "select_on_test", "expected"),
    [
        (None, {}, False, True),
        (None, {"refit": False}, False, False),
        (True, {"refit": False}, False, True),
        (False, {"refit": True}, False, False),
        (True, {"refit": True}, True, False),
    ],
)
def test_a_wish_goes_before_the_recipe(
    wish: bool | None, recipe: dict[str, bool], select_on_test: bool, expected: bool
) -> None:
    """And what was released before both: classes that select are never trained on unawares."""
    config = make_config(METHOD, {"select_on_test": select_on_test})
    assert is_refitted(wish, recipe, config) is expected


def test_unseen_classes_that_select_are_never_trained_on(vectors: Path, tmp_path: Path) -> None:
    """A refit that is asked for changes no byte there."""
    runs = [
        fit(Request(METHOD, vectors, tmp_path / str(refit), ORACLE, device="cpu", refit=refit))
        for refit in (True, False)
    ]
    files = [{p.name: p.read_bytes() for p in run.folder.glob("*.safetensors")} for run in runs]
    assert files[0] == files[1]
    assert [open_run(run.folder).refitted for run in runs] == [False, False]
