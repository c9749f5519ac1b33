"""What a method is without its parts: each is the run that leaves it out, and is refitted so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zscr.data.collection import read_collection
from zscr.infer.features.split import load_split
from zscr.infer.features.table import Array, Split
from zscr.train.evaluation.ablations import ablations
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit
from zscr.train.heads import run_head
from zscr.train.methods.contract import Need
from zscr.train.methods.registry import load_method
from zscr.train.run import Run

QUICK = {"gf_dim": 8, "df_dim": 8, "z_dim": 2, "batch_size": 4, "landmarks": 16, "e_steps": 3}
QUICK |= {"imagined": 64, "rounds": 2, "generator_lr": 1e-2, "adversarial": 1.0, "seed": 4}


def train(collection: Path, out: Path, **settings: Any) -> Run:
    return fit(Request("zscrgan", collection, out, QUICK | settings, device="cpu"))


def embedded(run: Run, split: Split[Array]) -> list[np.ndarray]:
    heads = run.load_model().heads()
    pairs = (("text", "text"), ("gallery", "image"))
    return [run_head(heads[name], [split[table].rows], "cpu") for name, table in pairs]


@pytest.fixture(scope="module")
def whole(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train with every part; a round is the best."""
    return train(vectors, tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def splits(vectors: Path) -> dict[str, Split[Array]]:
    """Load the three splits."""
    needs, encoders = (Need("image"), Need("text")), {"image": None, "text": None}
    collection = read_collection(vectors)
    return {name: load_split(collection, name, needs, encoders) for name in collection.splits}


def test_each_leaves_out_what_it_says(
    whole: Run, vectors: Path, splits: dict[str, Split[Array]], tmp_path: Path
) -> None:
    """The run that `zscr train --set` makes of its settings, to the bit; and all are different."""
    about = evaluate_model(whole.folder)
    seen, val, unseen = (splits[name] for name in ("seen", "val", "unseen"))
    controls = {one.name: one for one in ablations(about, seen, val, refit=True)}
    names = {f"zscrgan {name}": name for name in load_method("zscrgan").ABLATIONS}
    assert [*controls] == [*names]
    made = {"whole": embedded(whole, unseen)}
    for title, name in names.items():
        settings = load_method("zscrgan").ABLATIONS[name]
        run = train(vectors, tmp_path / str(len(made)), **settings)
        made[name] = embedded(run, unseen)
        for found, wanted in zip(controls[title].embed(unseen), made[name], strict=True):
            np.testing.assert_array_equal(found, wanted)
        assert controls[title].chosen["round"] == run.best["step"]
        assert run.chosen.items() <= controls[title].chosen.items()
    assert len({queries.tobytes() for queries, _ in made.values()}) == 4


def test_parts_are_left_out_by_settings_of_these_names() -> None:
    """Training, critic and imagined part; each at the value that switches it off."""
    assert load_method("zscrgan").ABLATIONS == {
        "before round 1": {"rounds": 0},
        "without the critic": {"adversarial": 0.0},
        "without the imagined part of a query": {"query_imagined": 0.0},
    }


def test_a_run_is_compared_with_itself_without_its_parts(whole: Run) -> None:
    """Beside the other controls, refitted as it is, with a difference of each."""
    report = evaluate_model(whole.folder, Question(controls=True))
    for name in load_method("zscrgan").ABLATIONS:
        control = report["controls"][f"zscrgan {name}"]
        gain = report["metrics"]["mAP"] - control["metrics"]["mAP"]
        assert control["difference"]["mean"] == pytest.approx(gain)


def test_a_method_that_names_no_parts_has_none(splits: dict[str, Split[Array]]) -> None:
    """The reference is what was released."""
    about = {"method": "zscrgan-reference", "config": {}}
    assert [*ablations(about, splits["seen"], splits["val"], refit=True)] == []
