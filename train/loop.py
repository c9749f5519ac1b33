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
from zscr.errors import ConfigError
from zscr.infer.features.table import Array, Split
from zscr.progress import progress, say
from zscr.train.heads import check_judgeable, judge
from zscr.train.methods.contract import LOSS, Method
from zscr.train.methods.settings import selection, selection_split
from zscr.train.precision import computing_in
from zscr.train.run import Run
from zscr.train.tables import to_device


class Interrupted(Exception):
    """Ctrl-C arrived; the run is checkpointed and can be resumed."""


def train(run: Run, seen: Split[Array], judged_on: Split[Array], device: torch.device) -> None:
    """Train from the run's last checkpoint (or from nothing) to its last round.

    Args:
        run: the run, whose folder is written to.
        seen: what is trained on.
        judged_on: the split whose figures choose the best weights.
        device: of the weights and all features.

    Raises:
        Interrupted: SIGINT arrived; the round was finished and checkpointed.
    """
    config, method = run.config, _begun(run, seen, judged_on, device)
    _truncate_log(run, run.step)
    begin = time.monotonic()
    if selection_split(config) == "unseen":
        say(f"{selection(config)}: the unseen classes choose the best weights (select_on_test)")
    number = run.step
    with (
        progress(f"training {run.method} on {device}", config.rounds, number) as bar,
        _sigint_as_flag(lambda: number) as interrupted,
    ):
        while run.step < config.rounds:
            number = run.step + 1
            with computing_in(config.precision, device):
                losses = method.train_round()
            run.step = number
            run.done = run.step == config.rounds
            entry = {"round": number, **{name: float(loss) for name, loss in losses.items()}}
            entry["seconds"] = round(time.monotonic() - begin, 3)
            validated = number % config.validate_every == 0 or run.done
            is_best = validated and _validate(run, method, judged_on, entry)
            _append_log(run, entry)
            if validated or interrupted():
                run.commit(method, is_best=is_best)
            bar.advance(1, shown(run, entry))
            if interrupted():
                raise Interrupted


def _begun(run: Run, seen: Split[Array], judged_on: Split[Array], device: torch.device) -> Method:
    """Return the method as the next round needs it: restored, or started afresh."""
    method = run.new_method(device)
    check_judgeable(method.heads(), judged_on, run.config.select_by)
    tables = to_device(seen, device), to_device(judged_on, device)
    if run.step:
        run.load_checkpoint(method)
        method.bind(*tables)
    else:
        method.bind(*tables)
        method.start()
    return method


def _validate(run: Run, method: Method, split: Split[Array], entry: dict[str, Any]) -> bool:
    """Add the split's figures to the entry; say whether these weights are the best so far."""
    name, select_by = selection_split(run.config), run.config.select_by
    entry["selection"] = selection(run.config)
    if select_by.startswith(LOSS):
        figures = {select_by: _loss(entry, select_by)}
    else:
        entry[name] = figures = dict(judge(method, split, name, select_by).report().metrics)
    value = figures[select_by]
    run.last = {"step": run.step, "value": value, "figures": figures}
    if run.best is not None:
        gain = value - run.best["value"]
        if not (-gain if select_by.startswith(LOSS) else gain) > 0:
            return False
    run.best = run.last
    return True


def _loss(entry: Mapping[str, Any], name: str) -> float:
    if name not in entry:
        known = ", ".join(key for key in entry if key.startswith(LOSS))
        raise ConfigError(f"setting select_by={name} is no loss of the method; it has {known}")
    return float(entry[name])


def shown(run: Run, entry: Mapping[str, Any]) -> str:
    """Return what stands beside the bar: the losses, and the figure that selects."""
    losses = " ".join(
        f"{name.removeprefix(LOSS)} {value:.3g}"
        for name, value in entry.items()
        if name.startswith(LOSS)
    )
    found = {"best": run.best, "last": run.last}
    figures = " ".join(f"{name} {one['value']:.3f}" for name, one in found.items() if one)
    return f"{losses} {run.config.select_by} {figures or 'not yet'} ({selection(run.config)})"


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
