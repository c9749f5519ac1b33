"""A run that was stopped, anywhere and anyhow, goes on to the bytes of one that was not."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.stopped import RESUME, RUN, Killer, contents, training
from zscr.errors import ArtefactError
from zscr.lock import writer_lock
from zscr.train.fit import resume
from zscr.train.run import open_run

SETTINGS = {"gf_dim": 8, "df_dim": 4, "embed_dim": 8, "z_dim": 2, "batch_size": 4}
SETTINGS |= {"e_steps": 1, "critic_steps": 1, "m_steps": 1, "rounds": 5, "validate_every": 2}
SETTINGS |= {"generator_lr": 0.3, "csem_lr": 0.03, "class_texts": "all"}  # learns in 5 rounds
SETTINGS |= {"select_on_test": False, "select_by": "mAP", "seed": 35}


def start(collection: Path, **others: int) -> list[str]:
    """Return a command of 5 rounds of 3 steps: checkpoints after 0, 2, 4 and 5, the best at 4.

    So it is refitted for 4 rounds, with checkpoints after 0, 2 and 4.
    """
    return training("zscrgan-reference", collection, SETTINGS | others)


def beside(folder: Path, at: int) -> Path:
    """Return a name beside a folder: from there the collection's relative place is the same."""
    return folder.with_name(f"{folder.name}-{at}")


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
    log = [(row["round"], row.get("refit", False)) for row in files["metrics.jsonl"]]
    assert log == [(n, False) for n in range(6)] + [(n, True) for n in range(1, 5)]
    judged = [row["round"] for row in files["metrics.jsonl"] if "val" in row]
    assert judged == [0, 2, 4, 5]
    run = open_run(tmp_path / RUN)
    assert (run.best["step"], run.step, run.refitted) == (4, 4, True)


def test_kill_anywhere_then_resume_gives_the_same_bytes(
    killer: Killer, vectors: Path, tmp_path: Path, whole
) -> None:
    """kill -9 before any round, within it, or before any change of a name on disk."""
    expected, calls = whole
    made = calls.index("rename")  # before it there is no run to go on with
    for at in (number for number, call in enumerate(calls, 1) if call != "fsync"):
        folder = beside(tmp_path, at)
        folder.mkdir()
        assert killer(start(vectors), folder, at=at)["status"] == -signal.SIGKILL, at
        assert (folder / RUN).exists() == (at > made + 1), at
        again = killer(RESUME if (folder / RUN).exists() else start(vectors), folder)
        assert again["status"] == 0, (at, again)
        assert contents(folder / RUN) == expected, (at, calls[at - 1])
        assert not [p for p in (folder / "runs").glob(".*") if not p.is_symlink()], at


def test_kill_anywhere_in_a_run_without_rounds(
    killer: Killer, vectors: Path, tmp_path: Path
) -> None:
    """Choice and refit then both end with step 0: no file of one is overwritten by the other's."""
    done = killer(start(vectors, rounds=0), tmp_path)
    assert done["status"] == 0, done
    expected = contents(tmp_path / RUN)
    made = done["calls"].index("rename")
    for at in range(made + 2, len(done["calls"]) + 1):
        folder = beside(tmp_path, at)
        folder.mkdir()
        assert killer(start(vectors, rounds=0), folder, at=at)["status"] == -signal.SIGKILL, at
        again = killer(RESUME, folder)
        assert again["status"] == 0, (at, again)
        assert contents(folder / RUN) == expected, at


def test_kill_of_the_resumed_run_then_resume_gives_the_same_bytes(
    killer: Killer, vectors: Path, tmp_path: Path, whole
) -> None:
    """A run that dies again and again, a few rounds further each time, arrives all the same."""
    assert killer(start(vectors), tmp_path, at=20)["status"] == -signal.SIGKILL
    steps = []
    for at in (5, 40, 18, 30, 7, 25, 30, 12, 35, 5):
        assert killer(RESUME, tmp_path, at=at)["status"] == -signal.SIGKILL
        run = open_run(tmp_path / RUN)
        steps.append(run.step)
    assert steps == [0, 2, 2, 4, 4, 5, 0, 0, 2, 2]
    assert run.refitting
    assert killer(RESUME, tmp_path)["status"] == 0
    assert contents(tmp_path / RUN) == whole[0]


@pytest.mark.parametrize(
    ("call", "which", "number"),
    [("round", 1, 1), ("step", 5, 2), ("step", 7, 3), ("step", 15, 5), ("step", 20, 2)],
)
def test_interrupt_finishes_the_round_and_says_how_to_resume(
    killer: Killer, vectors: Path, tmp_path: Path, whole, call: str, which: int, number: int
) -> None:
    """Ctrl-C, also amid a round, says at once what it waits for, saves it and exits 130.

    The last is the second round of the refit.
    """
    stopped = killer(start(vectors), tmp_path, at=which, call=call, number=signal.SIGINT)
    assert stopped["status"] == 130, stopped
    finishing = f"finishing round {number} …; Ctrl-C again stops at once and loses it\n"
    assert finishing in stopped["stderr"]
    assert stopped["stderr"].endswith("checkpointed: zscr train --resume\n"), stopped["stderr"]
    assert open_run(tmp_path / RUN).step == number
    assert killer(RESUME, tmp_path)["status"] == 0
    assert contents(tmp_path / RUN) == whole[0]


def test_interrupt_on_a_checkpoint_writes_no_second_one(
    killer: Killer, vectors: Path, tmp_path: Path
) -> None:
    """Ctrl-C in round 4, which checkpoints anyway, writes every file once."""
    stopped = killer(start(vectors), tmp_path, at=4, call="round", number=signal.SIGINT)
    calls = stopped["calls"]
    fourth = [number for number, call in enumerate(calls) if call == "round"][3]
    written = ["checkpoint", "best", "state", "manifest"]
    assert calls[fourth:].count("replace") == len(written)


def test_a_second_interrupt_does_not_wait(
    killer: Killer, vectors: Path, tmp_path: Path, whole
) -> None:
    """Ctrl-C twice within round 3 stops there; the checkpoint of round 2 goes on to the same."""
    twice = {"number": signal.SIGINT, "times": 2}
    stopped = killer(start(vectors), tmp_path, at=7, call="step", **twice)
    assert stopped["status"] == 130, stopped
    assert open_run(tmp_path / RUN).step == 2
    assert killer(RESUME, tmp_path)["status"] == 0
    assert contents(tmp_path / RUN) == whole[0]


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
    with pytest.raises(ArtefactError, match="is no run: it has no manifest.json"):
        resume(tmp_path)
    assert not list(tmp_path.iterdir())
