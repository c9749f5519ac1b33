"""`zscr evaluate`: the same figures for a run, by torch, and for its bundle, by onnxruntime."""

from __future__ import annotations

import json
import pickle
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest

from zscr.data.aviary import make_aviary
from zscr.errors import ArtefactError, ConfigError, MismatchError
from zscr.export.bundle import export_run
from zscr.infer.evaluation.table import table
from zscr.train.evaluation.evaluate import evaluate_model
from zscr.train.fit import Request, fit

CONTROLS = ["random ranking", "class-mean oracle", "ridge", "ESZSL", "linear dual encoder"]
CONTROLS += ["colour histogram + ridge", "colour histogram, image to image"]
QUICK = {"gf_dim": 16, "df_dim": 16, "embed_dim": 16, "z_dim": 4, "batch_size": 8}
QUICK |= {"e_steps": 4, "critic_steps": 2, "m_steps": 4, "rounds": 3, "validate_every": 3}
QUICK |= {"select_on_test": False}
FIGURES = ("metrics", "chance", "queries", "gallery", "classes", "excluded", "protocol", "seed")


def assert_same(run: dict[str, Any], bundle: dict[str, Any]) -> None:
    """Compare two reports, figures to 1e-6 and everything else exactly."""
    assert (run["kind"], bundle["kind"]) == ("run", "bundle")
    assert run["metrics"] == pytest.approx(bundle["metrics"], abs=1e-6)
    for name in FIGURES[1:]:
        assert run[name] == bundle[name], name


@pytest.mark.parametrize("split", ["unseen", "val"])
def test_run_and_bundle_have_the_same_figures(deployed, split: str) -> None:
    """On the tiny collection, for both splits."""
    assert_same(*(evaluate_model(m, split=split) for m in (deployed.run, deployed.bundle)))


def test_run_and_bundle_have_the_same_figures_on_birds(
    tiny_image: Path, tiny_text: Path, tmp_path: Path
) -> None:
    """On a small aviary: 30 images of 10 species, several texts a species."""
    make_aviary(tmp_path / "aviary", images=3)
    encoders = {"image_encoder": str(tiny_image), "text_encoder": str(tiny_text)}
    request = Request(
        "zscrgan", tmp_path / "aviary", tmp_path / "run", QUICK, **encoders, mode="reference"
    )
    run = fit(request)
    bundle = export_run(run, tmp_path / "bundle")
    reports = [evaluate_model(folder) for folder in (run.folder, bundle.folder)]
    assert_same(*reports)
    assert (reports[0]["gallery"], reports[0]["classes"]) == (30, 10)
    assert reports[0]["queries"] > 30


def test_run_and_bundle_of_published_vectors_have_the_same_figures(
    vectors: Path, tmp_path: Path
) -> None:
    """Where neither side has an encoder; with the same draws of noise folded in."""
    run = fit(Request("zscrgan", vectors, tmp_path / "run", QUICK, device="cpu", mode="reference"))
    bundle = export_run(run, tmp_path / "bundle", noise_samples=3)
    judged = evaluate_model(run.folder, noise_samples=3)
    assert judged["noise_samples"] == 3
    assert_same(judged, evaluate_model(bundle.folder))


def test_controls_stand_beside_the_figures(deployed) -> None:
    """All are judged on the same queries and images; the table has a row and a choice each."""
    report = evaluate_model(deployed.run, controls=True, generalised=True)
    controls = report["controls"]
    assert [*controls] == CONTROLS
    for name in CONTROLS[:-1]:
        for figure in ("queries", "gallery", "chance"):
            assert controls[name][figure] == report[figure]
            both = (r["generalised"]["seen"][figure] for r in (controls[name], report))
            assert len(set(both)) == 1
    for name in ("ridge", "ESZSL", "linear dual encoder"):
        assert controls[name]["val_mAP"] > 0
    lines = table(report).splitlines()
    assert any(line.startswith("ESZSL: gamma ") for line in lines)
    for name in ("zscrgan (run)", "ceiling", "chance", *controls):
        assert any(line.startswith(name) for line in lines), name
    assert f"{report['metrics']['mAP']:.3f}" in lines[4]
    json.dumps(report, allow_nan=False)


def test_on_published_vectors_there_is_no_colour(vectors: Path, tmp_path: Path) -> None:
    """The other controls need no images; `val` is judged on itself when that is asked for."""
    run = fit(Request("zscrgan", vectors, tmp_path / "run", QUICK, device="cpu", mode="reference"))
    report = evaluate_model(run.folder, split="val", controls=True, page=tmp_path / "page.html")
    assert [*report["controls"]] == CONTROLS[:5]
    assert report["controls"]["ridge"]["metrics"]["mAP"] == report["controls"]["ridge"]["val_mAP"]
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "c6, text 1" in page
    assert 'class="pic none"' in page


def test_generalised_figures_of_run_and_bundle_agree(deployed) -> None:
    """The gallery is unseen and seen images, 8 and 24; validation classes are in neither."""
    reports = [evaluate_model(m, generalised=True) for m in (deployed.run, deployed.bundle)]
    assert_same(*reports)
    run, bundle = (report["generalised"] for report in reports)
    for side, queries in (("unseen", 10), ("seen", 30)):
        assert (run[side]["queries"], run[side]["gallery"]) == (queries, 32)
        assert run[side]["metrics"] == pytest.approx(bundle[side]["metrics"], abs=1e-6)
    assert run["unseen"]["metrics"]["mAP"] <= reports[0]["metrics"]["mAP"]
    u, s = (run[side]["metrics"]["mAP"] for side in ("unseen", "seen"))
    assert run["harmonic"]["metrics"]["mAP"] == pytest.approx(2 * u * s / (u + s))


@pytest.fixture(scope="module")
def seeds(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three runs that differ in their seed, and a fourth that differs in more."""
    folder = tmp_path_factory.mktemp("seeds")
    changes = [{"seed": 1}, {"seed": 2}, {"seed": 3}, {"seed": 4, "z_dim": 5}]
    for number, change in enumerate(changes):
        out = folder / f"run{number}"
        fit(Request("zscrgan", vectors, out, QUICK | change, device="cpu", mode="reference"))
    return [folder / f"run{number}" for number in range(4)]


def test_several_seeds_give_mean_and_deviation(seeds: list[Path], tmp_path: Path) -> None:
    """Of every figure; the single runs' figures stand beside them and on the page."""
    report = evaluate_model(seeds[:3], page=tmp_path / "page.html")
    alone = [evaluate_model(folder)["metrics"]["mAP"] for folder in seeds[:3]]
    assert report["seeds"] == [1, 2, 3]
    assert report["metrics"]["mAP"] == pytest.approx(statistics.fmean(alone))
    assert report["sd"]["mAP"] == pytest.approx(statistics.stdev(alone))
    assert [run["metrics"]["mAP"] for run in report["runs"]] == alone
    assert "seeds 1, 2, 3" in table(report)
    assert "standard deviation over runs" in table(report)
    assert f"{report['metrics']['mAP macro']:.3f} ± " in (tmp_path / "page.html").read_text("utf-8")


def test_runs_that_differ_in_more_than_their_seed_are_refused(seeds: list[Path], deployed) -> None:
    """A mean over them would be of nothing; nor is one run's a spread."""
    with pytest.raises(MismatchError, match="run0 and .*run3 differ in z_dim: 4 and 5"):
        evaluate_model([seeds[0], seeds[3]])
    with pytest.raises(MismatchError, match="the seeds of these 2 models are 1, 1"):
        evaluate_model([seeds[0], seeds[0]])
    with pytest.raises(MismatchError, match="differ in kind: 'run' and 'bundle'"):
        evaluate_model([deployed.run, deployed.bundle])


def test_a_bundle_has_a_page_too(deployed, tmp_path: Path) -> None:
    """Generalised, with images, without controls."""
    report = evaluate_model(deployed.bundle, page=tmp_path / "new" / "page.html")
    page = (tmp_path / "new" / "page.html").read_text("utf-8")
    assert {"generalised"} < set(report)
    assert "controls" not in report
    assert page.count('role="img" aria-label="image ') == 2 * 8


def test_oracle_selection_is_said_in_the_table(deployed) -> None:
    """What chose the weights stands beside the figures."""
    report = evaluate_model(deployed.run)
    assert report["selection"] == "selected on validation classes"
    assert report["selection"] in table(report)
    assert "oracle selection" in table(report | {"selection": "oracle selection"})


def test_options_that_only_a_run_has_are_refused(deployed) -> None:
    """A bundle's noise is folded in, and it has no features for controls."""
    for options in ({"noise_samples": 2}, {"controls": True}):
        with pytest.raises(ConfigError, match="is a bundle; --noise-samples and --controls take"):
            evaluate_model(deployed.bundle, **options)


def test_what_is_neither_run_nor_bundle_is_refused(tmp_path: Path) -> None:
    """An empty and an absent folder get the same sentence."""
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ArtefactError, match="is neither a run nor a bundle; run 'zscr train'"):
            evaluate_model(folder)


def test_a_run_is_judged_on_another_collection_where_one_is_named(
    deployed, shapes: Path, tmp_path: Path
) -> None:
    """Its own must be unchanged; another may be named, moved or not, and is the one judged on."""
    moved = tmp_path / "moved"
    shutil.copytree(shapes, moved)
    assert evaluate_model(deployed.run, moved)["metrics"] == pytest.approx(
        evaluate_model(deployed.run)["metrics"]
    )
    make_aviary(tmp_path / "aviary", images=1)
    reports = [evaluate_model(m, tmp_path / "aviary") for m in (deployed.run, deployed.bundle)]
    assert_same(*reports)
    assert [report["collection"] for report in reports] == ["aviary", "aviary"]


def test_a_runs_own_collection_must_be_unchanged(
    vectors: Path, shapes: Path, tmp_path: Path
) -> None:
    """Figures of a collection that is not the one that was trained on are never given unasked."""
    shutil.copytree(vectors, tmp_path / "vectors")
    run = fit(
        Request(
            "zscrgan", tmp_path / "vectors", tmp_path / "run", QUICK, device="cpu", mode="reference"
        )
    )
    shutil.rmtree(tmp_path / "vectors")
    shutil.copytree(shapes, tmp_path / "vectors")
    with pytest.raises(MismatchError, match="was trained with collection"):
        evaluate_model(run.folder)


def test_reference_result_has_the_name_and_form_of_the_reference(deployed, tmp_path: Path) -> None:
    """acc<Prec@50>.pkl: a dict a query, from its class to the classes of what it found."""
    report = evaluate_model(deployed.run, retrieved_res=tmp_path / "results")
    path = Path(report["retrieved_res"])
    assert path.name == f"acc{report['metrics']['Prec@50 macro']:.3f}.pkl"
    rows = pickle.loads(path.read_bytes())
    assert len(rows) == report["queries"]
    unseen = {"white-circle", "white-square"}
    assert all(len(row) == 1 and set(row) <= unseen for row in rows)
    assert all(len(top) == 8 and set(top) == unseen for row in rows for top in row.values())
