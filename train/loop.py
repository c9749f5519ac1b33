"""The training loop: make a round, then log, validate and checkpoint."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch

from zscr.artefact import dump_jsonl, no_space_as_error, write_atomically
from zscr.infer.evaluation.embedded import Judged, judged
from zscr.infer.features.split import SplitFeatures
from zscr.progress import Progress, progress, say
from zscr.train.methods import Rows, selection, selection_split
from zscr.train.precision import computing_in
from zscr.train.run import Run


class Interrupted(Exception):
    """Ctrl-C arrived; the run is checkpointed and can be resumed."""


def train(run: Run, seen: SplitFeatures, judged_on: SplitFeatures, device: torch.device) -> None:
    """Train from the run's last checkpoint (or from nothing) to its last round.

    Args:
        run: the run, whose folder is written to.
        seen: what is trained on.
        judged_on: the split whose figures choose the best weights.
        device: of the weights and all features.

    Raises:
        Interrupted: SIGINT arrived; the round was finished and checkpointed.
    """
    config, rows = run.config, Rows.of(seen, device)
    method = run.new_method(device)
    if run.step:
        run.load_checkpoint(method)
    else:
        method.start(rows, Rows.of(judged_on, device))
    _truncate_log(run, run.step)
    begin = time.monotonic()
    title = f"training {run.method} ({run.mode}) on {device}"
    if selection_split(config) == "unseen":
        say(f"{selection(config)}: the unseen classes choose the best weights (select_on_test)")
    number = run.step
    with (
        progress(title, config.rounds, number) as bar,
        _sigint_as_flag(lambda: number) as interrupted,
    ):
        while run.step < config.rounds:
            number = run.step + 1
            with computing_in(config.precision, device):
                losses = method.train_round(rows)
            run.step = number
            run.done = run.step == config.rounds
            entry = {"round": number, **{name: float(loss) for name, loss in losses.items()}}
            entry["seconds"] = round(time.monotonic() - begin, 3)
            validated = number % config.validate_every == 0 or run.done
            is_best = validated and _validate(run, method, judged_on, entry)
            _append_log(run, entry)
            if validated or interrupted():
                run.commit(method, is_best=is_best)
            _show(bar, run, entry)
            if interrupted():
                raise Interrupted


def _validate(run: Run, method: Any, split: SplitFeatures, entry: dict[str, Any]) -> bool:
    """Add the split's figures to the entry; say whether these weights are the best so far."""
    figures = judge(method, split).report().metrics
    entry |= {selection_split(run.config): dict(figures), "selection": selection(run.config)}
    value = figures[run.config.select_by]
    run.last = {"step": run.step, "value": value, "figures": dict(figures)}
    if run.best is not None and value <= run.best["value"]:
        return False
    run.best = run.last
    return True


def judge(method: Any, split: SplitFeatures, block: int = 1024) -> Judged:
    """Embed a split with torch, every text of every class being a query."""
    device = method.noise.device

    def encoded(encode: Callable[[torch.Tensor], torch.Tensor], rows: Any) -> Any:
        parts = torch.split(torch.from_numpy(rows), block)
        return torch.cat([encode(part.to(device)).cpu() for part in parts]).numpy()

    with torch.no_grad():
        queries = encoded(method.encode_query, split.texts)
        return judged(split, queries, encoded(method.encode_gallery, split.images))


def _show(bar: Progress, run: Run, entry: Mapping[str, Any]) -> None:
    losses = " ".join(
        f"{name.removeprefix('loss/')} {value:.3g}"
        for name, value in entry.items()
        if name.startswith("loss/")
    )
    found = {"best": run.best, "last": run.last}
    figures = " ".join(
        f"{name} {one['figures']['Prec@50 macro']:.3f}" for name, one in found.items() if one
    )
    bar.advance(1, f"{losses} Prec@50 {figures or 'not yet'} ({selection(run.config)})")


def _append_log(run: Run, entry: Mapping[str, Any]) -> None:
    with no_space_as_error(run.log), run.log.open("ab") as log:
        log.write(dump_jsonl([entry]))


def _truncate_log(run: Run, rounds: int) -> None:
    """Drop what was logged after the checkpoint, including a line that a kill cut short."""
    lines = run.log.read_bytes().splitlines(keepends=True) if run.log.exists() else []
    kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["round"] <= rounds]
    write_atomically(run.log, b"".join(kept))


@contextmanager
def _sigint_as_flag(current: Callable[[], int]) -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C wait for the end of the round, and say so at once; a second one does not wait."""
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)
        say(f"finishing round {current()} …; Ctrl-C again stops at once and loses it")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, before)
