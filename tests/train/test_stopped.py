"""A run that was stopped is gone on with only as it was left: what has changed is refused."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from zscr.artefact import file_entry
from zscr.errors import ArtefactError, MismatchError
from zscr.train.evaluation.evaluate import evaluate_model
from zscr.train.fit import resume
from zscr.train.run import open_run

SETTINGS = {"gf_dim": 8, "df_dim": 4, "embed_dim": 8, "z_dim": 2, "batch_size": 4}
SETTINGS |= {"e_steps": 1, "critic_steps": 1, "m_steps": 1, "rounds": 5, "validate_every": 2}
SETTINGS |= {"select_on_test": False, "select_by": "mAP"}


@pytest.fixture
def stopped(killer: Callable[..., dict[str, Any]], vectors: Path, tmp_path: Path) -> Path:
    """Train on a collection of its own, and die in the third round, after a checkpoint."""
    shutil.copytree(vectors, tmp_path / "vectors")
    pairs = [f"{name}={value}" for name, value in SETTINGS.items()]
    settings = [word for pair in pairs for word in ("--set", pair)]
    where = ["--collection", "vectors", "--out", "runs/x", "--device", "cpu"]
    command = ["train", "zscrgan-reference", *where, *settings]
    assert killer(command, tmp_path, at=3, call="round")["status"] == -signal.SIGKILL
    return tmp_path / "runs/x"


def test_a_changed_collection_is_refused_with_both_hashes(stopped: Path, shapes: Path) -> None:
    """A run is never continued on other data than it began with."""
    run = open_run(stopped)
    assert run.step == 2
    collection = stopped.parents[1] / "vectors"
    before = run.sources["collection"]["sha256"]
    shutil.rmtree(collection)
    shutil.copytree(shapes, collection)
    with pytest.raises(MismatchError) as refusal:
        resume(stopped)
    assert before[:12] in str(refusal.value)
    assert f"{collection}, which is now " in str(refusal.value)


def test_another_kind_of_devices_random_state_is_refused(stopped: Path) -> None:
    """CUDA keeps its state in 16 bytes, from which a CPU cannot draw the same numbers."""
    run, [path] = open_run(stopped), stopped.glob("state.*")
    save_file(load_file(path) | {"noise": torch.zeros(16, dtype=torch.uint8)}, path)
    run.files[path.name] = file_entry(path)
    with pytest.raises(MismatchError, match="has 16 bytes, on cpu it has .* with --device cuda"):
        run.load_checkpoint(run.new_method("cpu"))


def test_another_versions_optimizer_state_is_refused(stopped: Path) -> None:
    """What an optimizer keeps is named on both sides, for its layout may have changed as well."""
    run, [path] = open_run(stopped), stopped.glob("state.*")
    tensors = {name.replace("square_and_eps", "v"): t for name, t in load_file(path).items()}
    save_file(tensors, path)
    run.files[path.name] = file_entry(path)
    with pytest.raises(MismatchError, match="critic optimizer keeps v, this .* square_and_eps;"):
        run.load_checkpoint(run.new_method("cpu"))


@pytest.mark.parametrize("name", ["checkpoint", "state", "best", "config"])
def test_a_flipped_byte_is_found_before_it_is_trained_on(stopped: Path, name: str) -> None:
    """Every file of the checkpoint is checked against its hash; the message names the file."""
    [path] = [p for p in stopped.glob(f"{name}*") if p.suffix in (".safetensors", ".json")][:1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=f"{path.name} is damaged"):
        resume(stopped)


def test_a_missing_checkpoint_file_is_named(stopped: Path) -> None:
    """A folder that was copied without a file is refused."""
    [path] = stopped.glob("state.*.safetensors")
    path.unlink()
    with pytest.raises(ArtefactError, match=f"lacks {path.name}"):
        resume(stopped)


def test_what_a_killed_writer_left_is_removed(stopped: Path) -> None:
    """Files of a checkpoint that was never committed, whole or half written, and no others."""
    kept = {path.name for path in stopped.iterdir()} | {"mine.txt"}
    lost = ["checkpoint.00000004.safetensors", "state.00000004.safetensors"]
    lost += ["best.00000004.safetensors", ".manifest.json.1.partial", ".metrics.jsonl.1.partial"]
    for name in (*lost, "mine.txt"):
        (stopped / name).write_text("x")
    open_run(stopped).remove_leftovers()
    assert {path.name for path in stopped.iterdir()} == kept
    assert resume(stopped, "cpu").done


def test_a_run_of_the_first_schema_says_what_to_do(stopped: Path) -> None:
    """Nothing of it is read or changed; the sentence names the command that makes it anew."""
    content = json.loads((stopped / "manifest.json").read_text()) | {"schema": 1}
    content |= {"method": "zscrgan", "mode": "reference", "dims": {"text": 8, "image": 12}}
    del content["shapes"]
    (stopped / "manifest.json").write_text(json.dumps(content))
    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    message = "has schema 1, this zscr reads 4; remove it, then run 'zscr train'"
    for read in (open_run, resume, evaluate_model):
        with pytest.raises(ArtefactError, match=message):
            read(stopped)
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == before
