"""What a training reads, writes and refuses: the unseen classes stay closed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zscr.artefact import dump_json, dump_jsonl, file_entry, read_manifest, write_manifest
from zscr.data.collection import read_collection
from zscr.errors import ArtefactError, ConfigError, MismatchError
from zscr.export.bundle import export_run
from zscr.infer.evaluation.table import table
from zscr.train.encoders import resolve
from zscr.train.encoders.cnn import CnnConfig
from zscr.train.evaluation.evaluate import evaluate_model
from zscr.train.fit import Encoders, Request, fit, load_sources, load_training, resume
from zscr.train.run import create_run, open_run, point_latest

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

    The image encoder is trained here, too, so its weights are compared with the method's.
    """
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(resolve, "CnnConfig", lambda: CnnConfig(32, (4, 8), 2, 8))
    closed = without_unseen(shapes, tmp_path / "closed")
    found, encoders = [], []
    for number, collection in enumerate((shapes, closed)):
        out, text = tmp_path / f"run{number}", str(tiny_text)
        fit(
            Request(
                "zscrgan", collection, out, QUICK, text_encoder=text, device="cpu", mode="reference"
            )
        )
        found.append(weights(out))
        cnn = Path(open_run(out).sources["image"]["path"])
        encoders.append((cnn / "model.onnx").read_bytes())
    assert len(found[0]) == 3
    assert found[0] == found[1]
    assert encoders[0] == encoders[1]
    assert len(list((tmp_path / "cache/encoders").iterdir())) == 2
    with pytest.raises(Exception, match="0 usable images"):  # the test could have failed
        evaluate_model(tmp_path / "run1")


def test_best_weights_are_those_of_the_best_validation(vectors: Path, tmp_path: Path) -> None:
    """The kept weights belong to the first round with the highest figure, and reproduce it."""
    settings = QUICK | {"rounds": 12, "generator_lr": 0.3, "csem_lr": 0.03, "seed": 11}
    run = fit(
        Request("zscrgan", vectors, tmp_path / "run", settings, device="cpu", mode="reference")
    )
    log = [json.loads(line) for line in run.log.read_text().splitlines()]
    values = [entry["val"]["mAP"] for entry in log]
    best = values.index(max(values))
    assert len(set(values)) > 2
    assert 0 < best < len(values) - 1
    assert run.best["step"] == best + 1
    assert run.best["value"] == values[best]
    assert evaluate_model(run.folder, split="val")["metrics"] == log[best]["val"]


def test_released_selection_is_said_wherever_its_figures_are(
    vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The unseen classes choose, best and last apart; talk, manifest, table and bundle say so."""
    settings = QUICK | {"select_on_test": True, "rounds": 5, "seed": 3, "generator_lr": 0.3}
    run = fit(
        Request("zscrgan", vectors, tmp_path / "run", settings, device="cpu", mode="reference")
    )
    talk = capsys.readouterr().err
    assert talk.startswith("oracle selection: the unseen classes choose the best weights")
    log = [json.loads(line) for line in run.log.read_text().splitlines()]
    assert all("unseen" in entry and "val" not in entry for entry in log)
    values = [entry["unseen"]["mAP"] for entry in log]
    found = open_run(run.folder)
    assert (found.best["step"], found.best["value"]) == (values.index(max(values)) + 1, max(values))
    assert (found.last["step"], found.last["figures"]) == (5, log[-1]["unseen"])
    figures = {name: getattr(found, name)["figures"]["Prec@50 macro"] for name in ("best", "last")}
    shown = " ".join(f"{name} {value:.3f}" for name, value in figures.items())
    assert talk.endswith(f"Prec@50 {shown} (oracle selection)\n")
    assert read_manifest(run.folder, "run").body["selection"] == "oracle selection"
    report = evaluate_model(run.folder)
    assert report["metrics"] == found.best["figures"]
    assert report["selection"] == "oracle selection"
    assert "oracle selection" in table(report)
    bundle = export_run(run, tmp_path / "bundle")
    assert bundle.manifest.body["provenance"]["selection"] == "oracle selection"
    assert "oracle selection" in table(evaluate_model(bundle.folder))
    with pytest.raises(ConfigError, match="was trained on the validation classes"):
        evaluate_model(run.folder, split="val")


def test_classes_that_do_not_select_are_trained_on(vectors: Path) -> None:
    """All released training classes are, where the unseen ones select; no row is lost."""
    collection = read_collection(vectors)
    encoders = Encoders(None, None)
    seen, val = load_training(collection, encoders, "val")
    both, chosen = load_training(collection, encoders, "unseen")
    assert both.classes == seen.classes + val.classes
    assert chosen.classes == tuple(collection.splits["unseen"])
    for rows in ("image", "text"):
        tables = [getattr(split, f"{rows}s") for split in (both, seen, val)]
        np.testing.assert_array_equal(tables[0], np.concatenate(tables[1:]))
        owners = [getattr(split, f"{rows}_classes") for split in (both, seen, val)]
        assert owners[0] == owners[1] + owners[2]


def test_select_by_decides_what_best_is(vectors: Path, tmp_path: Path) -> None:
    """Another figure is maximised when it is asked for."""
    settings = QUICK | {"select_by": "Recall@50", "rounds": 4, "generator_lr": 0.1}
    run = fit(
        Request("zscrgan", vectors, tmp_path / "run", settings, device="cpu", mode="reference")
    )
    assert (run.best["value"], run.best["step"]) == (1.0, 1)  # the first of four equals


def test_runs_are_numbered_and_the_latest_is_linked(
    vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --out a run takes the next free number in runs/, and runs/latest points at it."""
    monkeypatch.chdir(tmp_path)
    settings = QUICK | {"rounds": 1}
    folders = [
        fit(Request("zscrgan", vectors, None, settings, device="cpu", mode="reference")).folder
        for _ in "ab"
    ]
    assert [str(f) for f in folders] == ["runs/zscrgan-vectors-001", "runs/zscrgan-vectors-002"]
    assert Path("runs/latest").resolve() == folders[1].resolve()


def test_a_run_with_a_place_of_its_own_is_not_the_latest(vectors: Path, tmp_path: Path) -> None:
    """It is asked for by its name; no link appears beside it."""
    fit(
        Request(
            "zscrgan",
            vectors,
            tmp_path / "run",
            QUICK | {"rounds": 1},
            device="cpu",
            mode="reference",
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
    """Settings, dimensions, versions and the collection's hash are in the folder."""
    fit(Request("zscrgan", vectors, tmp_path / "run", QUICK, device="cpu", mode="reference"))
    run, manifest = open_run(tmp_path / "run"), read_manifest(tmp_path / "run", "run")
    assert run.dims == {"text": 8, "image": 12}
    assert {name: getattr(run.config, name) for name in QUICK} == QUICK
    assert run.sources["collection"]["sha256"] == read_manifest(vectors, "collection").sha256
    assert (run.sources["image"], run.sources["text"]) == (None, None)
    assert manifest.body["versions"]["torch"] == torch.__version__
    settings = json.loads((run.folder / "config.json").read_text())
    assert settings == {"method": "zscrgan", "mode": "reference", **manifest.body["config"]}


def test_existing_folders_are_never_trained_into(vectors: Path, tmp_path: Path) -> None:
    """A run's folder that is there is refused, whatever is in it."""
    (tmp_path / "run").mkdir()
    with pytest.raises(ArtefactError, match="run exists already"):
        fit(Request("zscrgan", vectors, tmp_path / "run", QUICK, device="cpu", mode="reference"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="here CUDA can be had")
def test_cuda_that_is_not_there_is_refused_at_once(vectors: Path, tmp_path: Path) -> None:
    """No fallback to the CPU, and no run is left behind."""
    with pytest.raises(ConfigError, match="--device cuda: torch finds no CUDA device here"):
        fit(Request("zscrgan", vectors, tmp_path / "run", QUICK, device="cuda", mode="reference"))
    assert not (tmp_path / "run").exists()


def test_a_precision_that_the_device_lacks_is_refused_at_once(
    vectors: Path, tmp_path: Path
) -> None:
    """Half precision is for GPUs; nothing else runs in its place, and no run is left behind."""
    settings = QUICK | {"precision": "bf16"}
    with pytest.raises(ConfigError, match="precision=bf16 needs a CUDA device .* on cpu; set"):
        fit(Request("zscrgan", vectors, tmp_path / "run", settings, device="cpu", mode="reference"))
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
                "zscrgan",
                vectors,
                tmp_path / "run",
                QUICK,
                device="cpu",
                mode="reference",
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
    run = fit(
        Request(
            "zscrgan", shapes, tmp_path / "run", QUICK, device="cpu", mode="reference", **encoders
        )
    )
    before = run.sources[side]["sha256"]
    manifest = read_manifest(folders[side], "encoder")
    write_manifest(folders[side], "encoder", manifest.files, {**manifest.body, "name": "another"})
    after = read_manifest(folders[side], "encoder").sha256
    with pytest.raises(MismatchError, match=f"with {side} encoder {before[:12]} of .*{after[:12]}"):
        load_sources(run)


def test_a_run_that_never_validated_has_nothing_to_judge(vectors: Path, tmp_path: Path) -> None:
    """Evaluating or exporting it is one sentence, and training starts from its first round."""
    whole = fit(
        Request("zscrgan", vectors, tmp_path / "whole", QUICK, device="cpu", mode="reference")
    )
    run = create_run(
        tmp_path / "run", "zscrgan", "reference", whole.config, whole.dims, whole.sources
    )
    with pytest.raises(ArtefactError, match="has no validated weights yet; train it further"):
        evaluate_model(tmp_path / "run")
    with pytest.raises(ArtefactError, match="was never checkpointed"):
        run.load_checkpoint(run.new_method("cpu"))
    assert resume(run.folder).done
    assert weights(run.folder) == weights(whole.folder)
