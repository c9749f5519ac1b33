"""`zscr evaluate`: the same figures for a run, by torch, and for its bundle, by onnxruntime."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import statistics
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from zscr.data.aviary import make_aviary
from zscr.data.collection import ClassInfo, Item, new_collection
from zscr.errors import ArtefactError, ConfigError, InputError, MismatchError
from zscr.export.bundle import export_run
from zscr.infer.evaluation.gallery_use import GalleryUse
from zscr.infer.evaluation.table import table
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.expansion import Expansion
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit
from zscr.train.run import open_run

METHOD = "zscrgan-reference"
CONTROLS = ["random ranking", "class-mean oracle", "ridge", "ridge, preprocessed"]
CONTROLS += ["ESZSL, preprocessed", "kernel ridge", "linear dual encoder"]
CONTROLS += ["colour histogram + ridge", "colour histogram, image to image"]
QUICK = {"gf_dim": 16, "df_dim": 16, "embed_dim": 16, "z_dim": 4, "batch_size": 8}
QUICK |= {"e_steps": 4, "critic_steps": 2, "m_steps": 4, "rounds": 3, "validate_every": 3}
QUICK |= {"select_on_test": False}
FIGURES = ("metrics", "chance", "queries", "gallery", "groups", "excluded", "protocol", "seed")


def assert_same(run: dict[str, Any], bundle: dict[str, Any]) -> None:
    """Compare two reports, figures to 1e-6 and everything else exactly."""
    assert (run["kind"], bundle["kind"]) == ("run", "bundle")
    assert run["metrics"] == pytest.approx(bundle["metrics"], abs=1e-6)
    for name in FIGURES[1:]:
        assert run[name] == bundle[name], name


def test_run_and_bundle_have_the_same_figures(deployed) -> None:
    """On the tiny collection."""
    assert_same(*(evaluate_model(m) for m in (deployed.run, deployed.bundle)))


def test_run_and_bundle_use_their_galleries_alike(deployed, tmp_path: Path) -> None:
    """Features by torch and by onnxruntime; the figures are others, and labelled, on pages too."""
    use, page = GalleryUse(Diffusion(), Expansion(3)), tmp_path / "report.html"
    run = evaluate_model(deployed.run, Question(use=use, generalised=True))
    reports = [run, evaluate_model(deployed.bundle, Question(use=use, page=page))]
    assert_same(*reports)
    assert str(use) in page.read_text("utf-8")
    assert {report["gallery_use"] for report in reports} == {str(use)}
    plain = evaluate_model(deployed.run, Question(generalised=True))
    assert "gallery_use" not in plain
    for side in ("unseen", "seen"):
        found = [report["generalised"][side]["metrics"] for report in (*reports, plain)]
        assert found[0] == pytest.approx(found[1], abs=1e-6)
        assert found[0] != pytest.approx(found[2], abs=1e-6)


def test_a_page_is_written_through_links_and_into_pipes(deployed, tmp_path: Path) -> None:
    """As root `--report /dev/stdout` would take the link away from everybody, /dev/null itself."""
    link, pipe, pages = tmp_path / "link", tmp_path / "pipe", []
    link.symlink_to(tmp_path / "new/page.html")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: pages.append(pipe.read_text("utf-8")), daemon=True)
    reader.start()
    for page in (link, pipe, tmp_path / "loop"):
        evaluate_model(deployed.bundle, Question(page=page))
    assert (link.is_symlink(), pipe.is_fifo()) == (True, True)
    reader.join(10)
    assert pages == [(tmp_path / "new/page.html").read_text("utf-8")]
    assert (tmp_path / "loop").read_text("utf-8") == pages[0]
    with pytest.raises(ConfigError, match=r"/proc/page\.html cannot be written"):
        evaluate_model(deployed.bundle, Question(page=Path("/proc/page.html")))


def test_run_and_bundle_of_published_vectors_have_the_same_figures(
    vectors: Path, tmp_path: Path
) -> None:
    """Where neither side has an encoder; with the same draws of noise folded in, on both splits."""
    run = fit(Request(METHOD, vectors, tmp_path / "run", QUICK, device="cpu", refit=False))
    settings = {"noise_samples": 3}
    bundle = export_run(run, tmp_path / "bundle", settings=settings)
    for split in ("unseen", "val"):
        judged = evaluate_model(run.folder, Question(split=split, head_settings=settings))
        assert judged["head_settings"] == settings
        assert_same(judged, evaluate_model(bundle.folder, Question(split=split)))


def test_controls_stand_beside_the_figures(deployed) -> None:
    """All are judged on the same queries and images; the table has a row and a choice each."""
    report = evaluate_model(deployed.run, Question(controls=True, generalised=True))
    controls = report["controls"]
    assert [*controls] == CONTROLS
    for name in CONTROLS[:-1]:
        for figure in ("queries", "gallery", "chance"):
            assert controls[name][figure] == report[figure]
            both = (r["generalised"]["seen"][figure] for r in (controls[name], report))
            assert len(set(both)) == 1
    for name in CONTROLS[2:-1]:
        assert controls[name]["val_mAP"] > 0
    lines = table(report).splitlines()
    assert any(line.startswith("ESZSL, preprocessed: shrink ") for line in lines)
    for name in ("zscrgan-reference (run)", "ceiling", "chance", *controls):
        assert any(line.startswith(name) for line in lines), name
    assert lines[2].startswith("zscrgan-reference (run) is ")  # and how it does beside the best
    assert f"{report['metrics']['mAP']:.3f}" in lines[5]
    json.dumps(report, allow_nan=False)


def test_on_published_vectors_there_is_no_colour(vectors: Path, tmp_path: Path) -> None:
    """The other controls need no images; `val` is judged on itself when that is asked for."""
    run = fit(Request(METHOD, vectors, tmp_path / "run", QUICK, device="cpu"))
    question = Question(split="val", controls=True, page=tmp_path / "page.html")
    report = evaluate_model(run.folder, question)
    assert [*report["controls"]] == CONTROLS[:7]
    for name in CONTROLS[2:7]:  # none is refitted, as the weights of the run are not
        control = report["controls"][name]
        assert control["metrics"]["mAP"] == control["val_mAP"], name
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "c6, text 1" in page
    assert 'class="pic none"' in page


def test_generalised_figures_of_run_and_bundle_agree(deployed) -> None:
    """The gallery is unseen and seen images, 8 and 24; validation classes are in neither."""
    reports = [
        evaluate_model(m, Question(generalised=True)) for m in (deployed.run, deployed.bundle)
    ]
    assert_same(*reports)
    run, bundle = (report["generalised"] for report in reports)
    for side, queries in (("unseen", 10), ("seen", 30)):
        assert (run[side]["queries"], run[side]["gallery"]) == (queries, 32)
        assert run[side]["metrics"] == pytest.approx(bundle[side]["metrics"], abs=1e-6)
    assert run["unseen"]["metrics"]["mAP"] <= reports[0]["metrics"]["mAP"]
    u, s = (run[side]["metrics"]["mAP"] for side in ("unseen", "seen"))
    assert run["harmonic"]["metrics"]["mAP"] == pytest.approx(2 * u * s / (u + s))


@pytest.fixture(scope="module")
def seeds(
    plain_module: ModuleType, vectors: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Three runs that differ in their seed, and so in all figures, and a fourth in more."""
    folder = tmp_path_factory.mktemp("seeds")
    for number, change in enumerate(({"seed": 1}, {"seed": 3}, {"seed": 5}, {"least": 1})):
        settings = {"rounds": 2, "rate": 0.03} | change
        fit(Request("plain", vectors, folder / f"run{number}", settings, device="cpu"))
    return [folder / f"run{number}" for number in range(4)]


def test_several_seeds_give_mean_and_deviation(seeds: list[Path], tmp_path: Path) -> None:
    """Of every figure; the single runs' figures stand beside them and on the page."""
    report = evaluate_model(seeds[:3], Question(page=tmp_path / "page.html"))
    alone = [evaluate_model(folder)["metrics"]["mAP"] for folder in seeds[:3]]
    assert len({*alone}) == len({open_run(folder).last["value"] for folder in seeds[:3]}) == 3
    assert report["seeds"] == [1, 3, 5]
    assert report["metrics"]["mAP"] == pytest.approx(statistics.fmean(alone))
    assert report["sd"]["mAP"] == pytest.approx(statistics.stdev(alone))
    assert [run["metrics"]["mAP"] for run in report["runs"]] == alone
    assert "seeds 1, 3, 5" in table(report)
    assert "standard deviation over runs" in table(report)
    assert f"{report['metrics']['mAP macro']:.3f} ± " in (tmp_path / "page.html").read_text("utf-8")


def test_runs_that_differ_in_more_than_their_seed_are_refused(seeds: list[Path], deployed) -> None:
    """A mean over them would be of nothing; nor is one run's a spread."""
    with pytest.raises(MismatchError, match="run0 and .*run3 differ in least: 2 and 1"):
        evaluate_model([seeds[0], seeds[3]])
    with pytest.raises(MismatchError, match="the seeds of these 2 models are 1, 1; a spread over"):
        evaluate_model([seeds[0], seeds[0]])
    with pytest.raises(MismatchError, match="differ in kind: 'run' and 'bundle'"):
        evaluate_model([deployed.run, deployed.bundle])


def test_a_bundle_has_a_page_too(deployed, tmp_path: Path) -> None:
    """Generalised, with images, without controls."""
    report = evaluate_model(deployed.bundle, Question(page=tmp_path / "new" / "page.html"))
    page = (tmp_path / "new" / "page.html").read_text("utf-8")
    assert {"generalised"} < set(report)
    assert "controls" not in report
    assert page.count('role="img" aria-label="image ') == 2 * 8


def test_oracle_selection_is_said_in_the_table(deployed) -> None:
    """What chose the weights stands beside the figures."""
    report = evaluate_model(deployed.run)
    chosen = "selected on validation classes"
    assert report["selection"] == f"{chosen}, then refitted on seen and validation classes"
    assert report["selection"] in table(report)
    assert evaluate_model(deployed.run, Question(split="val"))["selection"] == chosen
    assert "oracle selection" in table(report | {"selection": "oracle selection"})


def test_options_that_only_a_run_has_are_refused(deployed) -> None:
    """A bundle's noise is folded in, and it has no features for controls."""
    for question in (Question(head_settings={"noise_samples": 2}), Question(controls=True)):
        with pytest.raises(ConfigError, match="is a bundle; settings of heads and --controls take"):
            evaluate_model(deployed.bundle, question)


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
    assert evaluate_model(deployed.run, Question(collection=moved))["metrics"] == pytest.approx(
        evaluate_model(deployed.run)["metrics"]
    )
    make_aviary(tmp_path / "aviary", seen=30, images=1, held_out_images=1)
    question = Question(collection=tmp_path / "aviary")
    reports = [evaluate_model(m, question) for m in (deployed.run, deployed.bundle)]
    assert_same(*reports)
    assert [report["collection"] for report in reports] == ["aviary", "aviary"]


def test_the_own_collection_must_be_unchanged(vectors: Path, shapes: Path, tmp_path: Path) -> None:
    """Figures of a collection that is not the one that was trained on are never given unasked."""
    shutil.copytree(vectors, tmp_path / "vectors")
    run = fit(Request(METHOD, tmp_path / "vectors", tmp_path / "run", QUICK, device="cpu"))
    bundle = export_run(run, tmp_path / "bundle")
    shutil.rmtree(tmp_path / "vectors")
    shutil.copytree(shapes, tmp_path / "vectors")
    with pytest.raises(MismatchError, match="was trained with collection"):
        evaluate_model(run.folder)
    with pytest.raises(MismatchError, match="was trained on collection .* name a collection with"):
        evaluate_model(bundle.folder)


def test_vectors_of_another_length_are_refused(vectors: Path, tmp_path: Path) -> None:
    """With both lengths; `vectors` has images of 12 numbers and texts of 8."""
    with new_collection(tmp_path / "c", name="c", protocol="", provenance={}) as draft:
        draft.save_vectors("image", np.ones((2, 5), np.float32))
        draft.save_vectors("text", np.ones((1, 8), np.float32))
        draft.add_class(ClassInfo("a", "a", text_rows=(0, 1)), "unseen")
        for number in range(2):
            draft.add_item(Item(str(number), "unseen", "a"))
    run = fit(Request(METHOD, vectors, tmp_path / "run", QUICK, device="cpu"))
    bundle = export_run(run, tmp_path / "bundle")
    question = Question(collection=tmp_path / "c")
    with pytest.raises(MismatchError, match="on image features of 12 dimensions and these have 5"):
        evaluate_model(run.folder, question)
    with pytest.raises(InputError, match="'image_vector' takes float vectors of 12 numbers, numb"):
        evaluate_model(bundle.folder, question)


def test_a_gallery_of_another_kind_is_refused(deployed, tmp_path: Path) -> None:
    """Texts are encoded, but published vectors of images are no images."""
    with new_collection(tmp_path / "c", name="c", protocol="", provenance={}) as draft:
        draft.save_vectors("image", np.ones((1, 16), np.float32))
        draft.add_class(ClassInfo("a", "a", ("a red circle",)), "unseen")
        draft.add_item(Item("a/0", "unseen", "a"))
    for model in (deployed.run, deployed.bundle):
        with pytest.raises(InputError, match="holds a gallery of images, .*c has vectors; judge"):
            evaluate_model(model, Question(collection=tmp_path / "c"))


def test_reference_result_has_the_name_and_form_of_the_reference(deployed, tmp_path: Path) -> None:
    """acc<Prec@50>.pkl: a dict a query, from its class to the classes of what it found."""
    report = evaluate_model(deployed.run, Question(retrieved_res=tmp_path / "results"))
    path = Path(report["retrieved_res"])
    assert path.name == f"acc{report['metrics']['Prec@50 macro']:.3f}.pkl"
    rows = pickle.loads(path.read_bytes())
    assert len(rows) == report["queries"]
    unseen = {"white-circle", "white-square"}
    assert all(len(row) == 1 and set(row) <= unseen for row in rows)
    assert all(len(top) == 8 and set(top) == unseen for row in rows for top in row.values())
