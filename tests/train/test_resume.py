"""A run that was stopped, anywhere and anyhow, goes on to the bytes of one that was not."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from zscr.errors import ArtefactError, MismatchError
from zscr.lock import writer_lock
from zscr.train import loop
from zscr.train.fit import Request, fit, resume
from zscr.train.run import Run, open_run

SETTINGS = {"gf_dim": 8, "df_dim": 4, "embed_dim": 8, "z_dim": 2, "batch_size": 4}
SETTINGS |= {"e_steps": 1, "critic_steps": 1, "m_steps": 1, "rounds": 5, "validate_every": 2}
SETTINGS |= {"generator_lr": 0.3, "csem_lr": 0.03, "class_texts": "all"}  # learns in 5 rounds
SETTINGS |= {"select_on_test": False, "select_by": "mAP", "seed": 35}
RUN = Path("runs/x")
Killer = Callable[..., dict[str, Any]]


def start(collection: Path) -> list[str]:
    """Return a command of 5 rounds of 3 steps: checkpoints after 2, 4 and 5, the best at 4."""
    pairs = [f"{name}={value}" for name, value in SETTINGS.items()]
    settings = [word for pair in pairs for word in ("--set", pair)]
    where = ["--collection", str(collection), "--out", str(RUN), "--device", "cpu"]
    return ["train", "--mode", "reference", *where, *settings]


RESUME = ["train", "--resume", "--out", str(RUN)]


def contents(run: Path) -> dict[str, Any]:
    """Return a run's files: bytes of all but the log, whose seconds are another run's own."""
    files: dict[str, Any] = {p.name: p.read_bytes() for p in run.iterdir()}
    del files["writer.lock"]  # a process id
    rows = [json.loads(line) for line in files["metrics.jsonl"].splitlines()]
    files["metrics.jsonl"] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
    return files


@pytest.fixture(scope="module")
def whole(killer: Killer, vectors: Path, tmp_path_factory: pytest.TempPathFactory):
    """Train without a stop; return the run's files and the calls that a signal may come before."""
    folder = tmp_path_factory.mktemp("whole")
    done = killer(start(vectors), folder)
    assert done["status"] == 0, done
    return contents(folder / RUN), done["calls"]


def test_training_twice_gives_the_same_bytes(
    killer: Killer, vectors: Path, tmp_path: Path, whole
) -> None:
    """Without which nothing below would mean anything; and the log has every round once."""
    assert killer(start(vectors), tmp_path)["status"] == 0
    files = contents(tmp_path / RUN)
    assert files == whole[0]
    assert [row["round"] for row in files["metrics.jsonl"]] == [1, 2, 3, 4, 5]
    assert ["val" in row for row in files["metrics.jsonl"]] == [False, True, False, True, True]
    assert open_run(tmp_path / RUN).best["step"] == 4


def test_kill_anywhere_then_resume_gives_the_same_bytes(
    killer: Killer, vectors: Path, tmp_path: Path, whole
) -> None:
    """kill -9 before any round, within it, or before any change of a name on disk."""
    expected, calls = whole
    made = calls.index("rename")  # before it there is no run to go on with
    for at in (number for number, call in enumerate(calls, 1) if call != "fsync"):
        folder = tmp_path / str(at)
        folder.mkdir()
        assert killer(start(vectors), folder, at=at)["status"] == -signal.SIGKILL, at
        assert (folder / RUN).exists() == (at > made + 1), at
        again = killer(RESUME if (folder / RUN).exists() else start(vectors), folder)
        assert again["status"] == 0, (at, again)
        assert contents(folder / RUN) == expected, (at, calls[at - 1])
        assert not [p for p in (folder / "runs").glob(".*") if not p.is_symlink()], at


def test_kill_of_the_resumed_run_then_resume_gives_the_same_bytes(
    killer: Killer, vectors: Path, tmp_path: Path, whole
) -> None:
    """A run that dies again and again, a few rounds further each time, arrives all the same."""
    assert killer(start(vectors), tmp_path, at=20)["status"] == -signal.SIGKILL
    steps = []
    for at in (5, 12, 35, 9, 18, 30, 2, 7):
        assert killer(RESUME, tmp_path, at=at)["status"] == -signal.SIGKILL
        steps.append(open_run(tmp_path / RUN).step)
    assert steps == [0, 0, 2, 2, 2, 4, 4, 4]
    assert killer(RESUME, tmp_path)["status"] == 0
    assert contents(tmp_path / RUN) == whole[0]


def calls_of(calls: list[str], name: str) -> list[int]:
    return [number for number, call in enumerate(calls, 1) if call == name]


@pytest.mark.parametrize(
    ("call", "which", "number"), [("round", 1, 1), ("step", 5, 2), ("step", 7, 3), ("step", 15, 5)]
)
def test_interrupt_finishes_the_round_and_says_how_to_resume(
    killer: Killer, vectors: Path, tmp_path: Path, whole, call: str, which: int, number: int
) -> None:
    """Ctrl-C, also amid a round, says at once what it waits for, saves it and exits 130."""
    expected, calls = whole
    at = calls_of(calls, call)[which - 1]
    stopped = killer(start(vectors), tmp_path, at=at, number=signal.SIGINT)
    assert stopped["status"] == 130, stopped
    finishing = f"finishing round {number} …; Ctrl-C again stops at once and loses it\n"
    assert finishing in stopped["stderr"]
    assert stopped["stderr"].endswith("checkpointed: zscr train --resume\n"), stopped["stderr"]
    assert open_run(tmp_path / RUN).step == number
    assert killer(RESUME, tmp_path)["status"] == 0
    assert contents(tmp_path / RUN) == expected


def test_interrupt_on_a_checkpoint_writes_no_second_one(
    killer: Killer, vectors: Path, tmp_path: Path, whole
) -> None:
    """Ctrl-C in a round that checkpoints anyway writes every file once."""
    _, calls = whole
    at = calls_of(calls, "step")[5]
    stopped = killer(start(vectors), tmp_path, at=at, number=signal.SIGINT)
    written = ["checkpoint", "best", "state", "manifest"]
    assert stopped["calls"][at:].count("replace") == len(written)


def test_a_second_interrupt_does_not_wait(
    killer: Killer, vectors: Path, tmp_path: Path, whole
) -> None:
    """Ctrl-C twice within round 3 stops there; the checkpoint of round 2 goes on to the same."""
    expected, calls = whole
    at = calls_of(calls, "step")[6]
    stopped = killer(start(vectors), tmp_path, at=at, number=signal.SIGINT, times=2)
    assert stopped["status"] == 130, stopped
    assert open_run(tmp_path / RUN).step == 2
    assert killer(RESUME, tmp_path)["status"] == 0
    assert contents(tmp_path / RUN) == expected


def test_resume_of_a_finished_run_changes_nothing(
    killer: Killer, vectors: Path, tmp_path: Path, whole
) -> None:
    """It says that there is nothing to do."""
    assert killer(start(vectors), tmp_path)["status"] == 0
    again = killer(RESUME, tmp_path)
    assert again["status"] == 0
    assert "is finished already; nothing to resume" in again["stderr"]
    assert contents(tmp_path / RUN) == whole[0]


def test_two_trainers_on_one_run_are_refused(killer: Killer, vectors: Path, tmp_path: Path) -> None:
    """The second gets one sentence with the first's process, and touches nothing."""
    assert killer(start(vectors), tmp_path, at=25)["status"] == -signal.SIGKILL
    before = {p.name: p.read_bytes() for p in (tmp_path / RUN).iterdir()}
    with writer_lock(tmp_path / RUN):
        answer = killer(RESUME, tmp_path)
    assert answer["status"] == 1
    assert answer["stderr"].splitlines()[-1].startswith(f"Error: process {os.getpid()} is writing")
    after = {p.name: p.read_bytes() for p in (tmp_path / RUN).iterdir()}
    assert before.keys() == after.keys()
    assert all(before[name] == after[name] for name in before if name != "writer.lock")


def test_resume_of_what_is_no_run_is_refused(tmp_path: Path) -> None:
    """A wrong folder is one sentence, and no lock file is left in it."""
    with pytest.raises(ArtefactError, match="is not a run: it has no manifest.json"):
        resume(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def stopped(vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Train on a collection of its own, and stop after the first checkpoint."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(vectors, tmp_path / "vectors")

    def stop_then_validate(run: Run, *arguments: Any) -> bool:
        if run.step > 2:
            raise InterruptedError
        return validate(run, *arguments)

    validate = loop._validate
    request = Request(
        "zscrgan", tmp_path / "vectors", RUN, SETTINGS, device="cpu", mode="reference"
    )
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_validate", stop_then_validate)
        with pytest.raises(InterruptedError):
            fit(request)
    return tmp_path / RUN


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
    with pytest.raises(MismatchError, match="has 16 bytes, on cpu it has .* with --device cuda"):
        run.load_checkpoint(run.new_method("cpu"))


def test_another_versions_optimizer_state_is_refused(stopped: Path) -> None:
    """What an optimizer keeps is named on both sides, for its layout may have changed as well."""
    run, [path] = open_run(stopped), stopped.glob("state.*")
    tensors = {name.replace("square_and_eps", "v"): t for name, t in load_file(path).items()}
    save_file(tensors, path)
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


@pytest.mark.parametrize("free", range(0, 24_576, 4096))  # the checkpoint takes 24,576
def test_full_disk_leaves_the_previous_checkpoint(
    vectors: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int
) -> None:
    """Wherever the disk fills up: one sentence, the last checkpoint whole, no half of the next."""
    monkeypatch.chdir(tmp_path)
    run, ballast = small_disk / "run", small_disk / "ballast"

    def fill_then_commit(self: Run, *arguments: Any, **options: Any) -> None:
        if self.step > 2:
            usage = os.statvfs(small_disk)
            ballast.write_bytes(b"\1" * (usage.f_bavail * usage.f_bsize - free))
        commit(self, *arguments, **options)

    commit = Run.commit
    with monkeypatch.context() as patch:
        patch.setattr(Run, "commit", fill_then_commit)
        with pytest.raises(ArtefactError, match="the disk is full"):
            fit(Request("zscrgan", vectors, run, SETTINGS, device="cpu", mode="reference"))
    found = open_run(run)  # checks every hash
    assert found.step == 2
    assert {p.name for p in run.iterdir()} == {
        *found.files,
        "manifest.json",
        "metrics.jsonl",
        "writer.lock",
    }
    ballast.unlink()
    assert resume(run).done


def test_full_disk_while_logging_is_one_sentence(
    vectors: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The log is the first thing that a round writes; no traceback there, either."""
    monkeypatch.chdir(tmp_path)
    run, ballast = small_disk / "run", small_disk / "ballast"

    def fill_then_validate(*arguments: Any) -> bool:
        usage = os.statvfs(small_disk)
        ballast.write_bytes(b"\1" * (usage.f_bavail * usage.f_bsize))
        with run.joinpath("metrics.jsonl").open("ab") as log:  # fill the log's own last page
            log.write(b"\n" * (-log.tell() % os.sysconf("SC_PAGESIZE")))
        return validate(*arguments)

    validate = loop._validate
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_validate", fill_then_validate)
        with pytest.raises(ArtefactError, match="the disk is full"):
            fit(Request("zscrgan", vectors, run, SETTINGS, device="cpu", mode="reference"))
    ballast.unlink()
    assert open_run(run).step == 0
