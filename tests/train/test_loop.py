"""The loop: what it calls and when, which weights it keeps, and what it shows meanwhile."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from zscr.errors import CollectionError, ConfigError
from zscr.infer.features.table import Split, Table
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit, resume
from zscr.train.heads import check_judgeable, run_head
from zscr.train.loop import Interrupted
from zscr.train.methods.contract import Head, Port
from zscr.train.run import Run, open_run


def train(collection: Path, out: Path, *, refit: bool = False, **settings: Any) -> Run:
    return fit(Request("plain", collection, out, settings, device="cpu", refit=refit))


def log_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.log.read_text().splitlines()]


def safetensors(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.glob("*.safetensors")}


def interrupt(plain: ModuleType, number: int, collection: Path, out: Path, **settings: Any) -> None:
    """Train until Ctrl-C arrives in a round, which is finished and checkpointed.

    With `refit` it is that round of the refit.
    """

    def arrive() -> None:
        made = [name for name, _ in plain.CALLS].count(f"round {number}")
        if made == 1 + settings.get("refit", False):
            signal.raise_signal(signal.SIGINT)

    plain.BEFORE[number] = arrive
    with pytest.raises(Interrupted):
        train(collection, out, **settings)
    plain.BEFORE.clear()
    plain.CALLS.clear()


def test_a_run_begins_with_bind_and_start(plain: ModuleType, vectors: Path, tmp_path: Path) -> None:
    """Then come the rounds; the tables are those that the method needs, and no others."""
    train(vectors, tmp_path / "run")
    assert [name for name, _ in plain.CALLS] == ["bind", "start", "round 1", "round 2", "round 3"]
    shapes = {"image": (24, 12), "text": (12, 8)}
    assert all(state["tables"] == shapes for _, state in plain.CALLS)


def test_a_resumed_run_is_bound_in_the_state_that_it_was_left_in(
    plain: ModuleType, vectors: Path, tmp_path: Path
) -> None:
    """`start` is not called again; weights, noise, sampling and optimizer are there before."""
    train(vectors, tmp_path / "whole")
    third = dict(plain.CALLS)["round 3"]
    plain.CALLS.clear()
    interrupt(plain, 2, vectors, tmp_path / "run")
    resume(tmp_path / "run", "cpu")
    assert [name for name, _ in plain.CALLS] == ["bind", "round 3"]
    for _, state in plain.CALLS:
        assert torch.equal(state["noise"], third["noise"])
        assert torch.equal(state["asking"], third["asking"])
        assert state["sampling"] == {"rounds": 2}
        assert state["steps"] == third["steps"] == 2  # one state a parameter


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_an_interrupted_run_ends_in_the_same_bytes(
    plain: ModuleType, vectors: Path, tmp_path: Path, number: int, refit: bool
) -> None:
    """Wherever it stops, at a round that is validated or one that is not, or within the refit."""
    settings = {"rounds": 5, "validate_every": 2, "rate": 0.3, "seed": 8, "refit": refit}
    whole = train(vectors, tmp_path / "whole", **settings)
    assert whole.best["step"] == 5
    plain.CALLS.clear()
    interrupt(plain, number, vectors, tmp_path / "run", **settings)
    stopped = open_run(tmp_path / "run")
    assert (stopped.step, stopped.refitting, stopped.done) == (number, refit, False)
    assert stopped.last["step"] == (5 if refit else number // 2 * 2)
    resume(tmp_path / "run", "cpu")
    assert [row["round"] for row in log_of(stopped) if row.get("refit")] == [1, 2, 3, 4, 5] * refit
    assert safetensors(tmp_path / "run") == safetensors(tmp_path / "whole")
    whole, resumed = open_run(tmp_path / "whole"), open_run(tmp_path / "run")
    assert (whole.best, whole.last) == (resumed.best, resumed.last)


def test_rounds_are_judged_as_often_as_asked(
    plain: ModuleType, vectors: Path, tmp_path: Path
) -> None:
    """Before the first, every third and the last; between two of them nothing is judged."""
    run = train(vectors, tmp_path / "run", rounds=7, validate_every=3)
    assert [row["round"] for row in log_of(run)] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert [row["round"] for row in log_of(run) if "val" in row] == [0, 3, 6, 7]
    assert run.last["step"] == 7


def test_the_figure_that_selects_is_the_one_that_is_maximised(
    plain: ModuleType, vectors: Path, tmp_path: Path
) -> None:
    """Each figure keeps the first round of its highest value, and they choose different ones."""
    chosen = {}
    for figure in ("mAP", "Prec@1 macro"):
        out = tmp_path / figure.replace(" ", "-")
        run = train(vectors, out, rounds=8, rate=0.05, select_by=figure, seed=5)
        values = [row["val"][figure] for row in log_of(run)]
        best = max(values)
        assert run.best["value"] == run.best["figures"][figure] == best > min(values)
        assert run.best["step"] == values.index(best)
        chosen[figure] = run.best["step"]
    assert chosen == {"mAP": 5, "Prec@1 macro": 4}


def test_the_bar_shows_the_figure_that_selects(
    plain: ModuleType, vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its name, the best and the last value of it, and what chose: the same as in the log."""
    settings = {"rounds": 10, "validate_every": 2, "rate": 0.2, "seed": 3}
    run = train(vectors, tmp_path / "run", **settings, select_by="Prec@5 micro")
    shown = capsys.readouterr().err.splitlines()[-1]
    loss = log_of(run)[-1]["loss/nce"]
    values = [row["val"]["Prec@5 micro"] for row in log_of(run) if "val" in row]
    assert max(values) > values[-1]
    assert shown.startswith("training plain on cpu: 10/10 ")
    assert shown.endswith(
        f"nce {loss:.3g} Prec@5 micro best {max(values):.3f} last {values[-1]:.3f} "
        f"(selected on validation classes)"
    )


def test_weights_are_judged_out_of_training(
    plain: ModuleType, vectors: Path, tmp_path: Path
) -> None:
    """Dropout is off while the loop judges, so its figures are those of the finished run."""
    run = train(vectors, tmp_path / "run", rounds=4)
    judged = evaluate_model(run.folder, Question(split="val"))
    assert judged["metrics"] == run.best["figures"]
    method = run.load_model()
    method.train()
    head = method.heads()["text"]
    assert head.module.training
    rows = torch.ones(4, 8)
    assert not torch.equal(head.module(rows), head.module(rows))  # so dropout does something
    method.asking.eval()
    found = [run_head(head, [rows.numpy()], "cpu") for _ in range(2)]
    np.testing.assert_array_equal(*found)
    assert head.module.training  # and each part is left as it was
    assert not method.asking.training


def test_fewer_images_than_the_method_needs_are_refused(
    plain: ModuleType, vectors: Path, tmp_path: Path
) -> None:
    """Before a run's folder is made; `vectors` has four images a class."""
    train(vectors, tmp_path / "four", least=4, rounds=1)
    with pytest.raises(CollectionError, match=r"6 of 6 seen classes have fewer than 5 images"):
        train(vectors, tmp_path / "five", least=5)
    assert not (tmp_path / "five").exists()


def test_a_loss_may_select(plain: ModuleType, vectors: Path, tmp_path: Path) -> None:
    """Where nothing can be judged: the least one, which is said wherever the weights go."""
    run = train(vectors, tmp_path / "run", select_by="loss/nce", rounds=6, rate=0.0)
    losses = [entry["loss/nce"] for entry in log_of(run)]
    assert min(losses) not in (losses[0], losses[-1])  # by what is drawn: nothing is learnt
    assert run.best["step"] == 1 + int(np.argmin(losses))
    assert run.best["figures"] == {"loss/nce": min(losses)}
    assert {entry["selection"] for entry in log_of(run)} == {"selected by a training loss"}
    with pytest.raises(ConfigError, match="select_by=loss/kl is no loss .* it has loss/nce"):
        train(vectors, tmp_path / "other", select_by="loss/kl")


def head(role: str, *ports: str) -> Head:
    return Head(nn.Identity(), tuple(map(Port, ports)), role)


GALLERY = {"gallery": head("gallery", "image")}


@pytest.mark.parametrize(
    ("heads", "groups", "message"),
    [
        ({"text": head("query", "text")}, 2, "heads are text; name one 'gallery'"),
        (GALLERY | {"x": head("query", "sketch")}, 2, r"the port sketch; list it in needs\(\)"),
        (GALLERY | {"x": head("query", "image", "text")}, 2, "set select_by=loss/NAME"),
        (GALLERY | {"text": head("query", "text")}, 1, "one group, in which all is relevant"),
        (
            GALLERY | {"x": head("query", "text"), "y": head("query", "text")},
            2,
            "two query heads take text",
        ),
    ],
)
def test_what_cannot_be_judged_or_deployed_is_refused_before_a_round(
    heads: dict[str, Head], groups: int, message: str
) -> None:
    """In one sentence; where a loss selects, one group and several ports are fine."""
    table = Table(("a", "b"), np.eye(2, dtype=np.float32), np.array([0, 1, 2][: groups + 1]))
    split = Split(tuple("ab"[:groups]), {"image": table, "text": table})
    with pytest.raises(ConfigError, match=message):
        check_judgeable(heads, split, "mAP")
    if "loss/NAME" in message or groups == 1:
        check_judgeable(heads, split, "loss/nce")
