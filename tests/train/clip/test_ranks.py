"""Several processes that train together: one process's gradients, one writer, one end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import nullcontext, redirect_stderr
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import multiprocessing

from tests.train.clip.small_towers import gradients
from zscr.cli import main
from zscr.errors import RankError
from zscr.train.ranks import as_first, joined_ranks
from zscr.train.run import open_run

CPU = torch.device("cpu")
CUTS = ((0.5, 6), (0.5, 3), (0.5, 2), (0.0, 5))  # dropout and chunks of a batch of 12


def together(work: Callable[[int, Path], None], folder: Path, *, join: bool = True) -> None:
    """Run `work` in two processes with what torchrun tells its own; they may `join` by it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.start_processes(
        _told, (work, folder, port, join), nprocs=2, start_method="fork"
    )


def _told(
    rank: int, work: Callable[[int, Path], None], folder: Path, port: int, join: bool
) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with joined_ranks(CPU, timedelta(seconds=20)) if join else nullcontext():
        work(rank, folder)


def _save_gradients(rank: int, folder: Path) -> None:
    torch.save([gradients(*cut) for cut in CUTS], folder / f"{rank}.pt")


def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    """To 1e-6 on both: one chunk each or several, and dropout if the chunks are the same."""
    together(_save_gradients, tmp_path)
    wanted = [gradients(*cut) for cut in CUTS]
    for rank in (0, 1):
        for found, whole in zip(torch.load(tmp_path / f"{rank}.pt"), wanted, strict=True):
            for one, other in zip(found, whole, strict=True):
                torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def _die(rank: int, folder: Path) -> None:
    if rank:
        os._exit(0)
    try:
        as_first("x")
        alone = gradients(0.5, 6)
    except RankError as error:
        (folder / "said").write_text(str(error))
    else:
        (folder / "said").write_text(f"nothing, and {alone[0]}")


def test_a_dead_process_ends_the_others_with_a_sentence(tmp_path: Path) -> None:
    """The first does not wait for ever for what the second will never send."""
    together(_die, tmp_path)
    said = (tmp_path / "said").read_text()
    assert said.startswith("another process of this training ended or fell silent (")
    assert said.endswith("go on with: zscr train --resume")
    assert "\n" not in said


@pytest.fixture(scope="module")
def command(shapes: Path, tiny_text: Path, tiny_image: Path) -> list[str]:
    """Return a training of two rounds of half batches, which two processes share out."""
    settings = {"rounds": 2, "dim": 8, "batch_size": 8, "chunk": 4, "select_by": "mAP"}
    settings |= {"image_penalty": 1.0, "text_penalty": 1.0, "power": 0.5, "lr": 1e-3}
    encoders = ["--image-encoder", str(tiny_image), "--text-encoder", str(tiny_text)]
    words = [word for pair in settings.items() for word in ("--set", "{}={}".format(*pair))]
    return ["train", "clip", "--collection", str(shapes), "--device", "cpu", *encoders, *words]


def test_two_processes_train_one_run(command: list[str], tmp_path: Path) -> None:
    """Written and told of once; with the weights and the figures of a process alone."""

    def train(rank: int, folder: Path) -> None:
        with open(folder / f"{rank}.err", "w") as said, redirect_stderr(said):
            main([*command, "--out", str(folder / "two")], standalone_mode=False)

    main([*command, "--out", str(tmp_path / "alone")], standalone_mode=False)
    together(train, tmp_path, join=False)
    assert (tmp_path / "1.err").read_text() == ""
    assert (tmp_path / "0.err").read_text().count("trained ") == 1
    runs = [open_run(tmp_path / name) for name in ("alone", "two")]
    assert runs[0].best["figures"] == pytest.approx(runs[1].best["figures"])
    found = [load_file(next(run.folder.glob("checkpoint.*"))) for run in runs]
    for name, weights in found[0].items():
        torch.testing.assert_close(found[1][name], weights, atol=1e-4, rtol=0)
