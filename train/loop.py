"""The training loop: make a round, then log, validate and checkpoint; then refit the choice."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch

from zscr.errors import ConfigError
from zscr.infer.features.table import Array, Split, joined
from zscr.progress import progress, say
from zscr.train.heads import check_judgeable, judge
from zscr.train.log import append_log, truncate_log
from zscr.train.methods.contract import LOSS, Method
from zscr.train.methods.settings import selection, selection_split
from zscr.train.precision import computing_in
from zscr.train.ranks import any_rank
from zscr.train.run import Run
from zscr.train.stored import Stored
from zscr.train.tables import to_device


class Interrupted(Exception):
    """Ctrl-C arrived; the run is checkpointed and can be resumed."""


def train(
    run: Run,
    seen: Split[Array],
    judged_on: Split[Array],
    device: torch.device,
    stored: Sequence[Stored] = (),
) -> None:
    """Train from the run's last checkpoint (or from nothing) to its last round.

    The rounds are chosen first: of all weights, those after `start` among them, the best on
    `judged_on` are kept. A run with a refit then begins anew on both splits, with the settings that
    the method chose, for as many rounds as the best weights had.

    Args:
        run: the run, whose folder is written to.
        seen: what is trained on.
        judged_on: the split whose figures choose the best weights.
        device: of the weights and all features.
        stored: tasks whose queries choose them in the split's place, by the mean of their figures.

    Raises:
        Interrupted: SIGINT arrived; the round was finished and checkpointed.
    """
    truncate_log(run)
    with _sigint_as_flag(lambda: run.step + 1, device) as interrupted:
        if not run.refitting:
            _select(run, seen, judged_on, device, stored, interrupted)
        if run.refit and not run.done:
            _refit(run, seen, judged_on, device, stored, interrupted)


def _select(
    run: Run,
    seen: Split[Array],
    judged_on: Split[Array],
    device: torch.device,
    stored: Sequence[Stored],
    interrupted: Callable[[], bool],
) -> None:
    """Train on the seen classes, and keep the weights that do best on the split that selects."""
    config, fresh = run.config, not run.begun
    method = _begun(run, (seen, judged_on), judged_on, device, stored, fresh=fresh)
    if selection_split(config) == "unseen":
        say(f"{selection(config)}: the unseen classes choose the best weights (select_on_test)")

    def judged(entry: dict[str, Any]) -> bool:
        return _validate(run, method, judged_on, stored, entry)

    if fresh:
        run.chosen = dict(method.chosen)
        run.done = config.rounds == 0 and not run.refit
        is_best = not config.select_by.startswith(LOSS) and _first_judged(run, judged)
        run.commit(method, is_best=is_best)
    _train_rounds(run, method, config.rounds, interrupted, judged)
    if config.rounds and run.best is not None and run.best["step"] == 0:
        say(
            f"no round did better than the start, with {config.select_by} "
            f"{run.best['value']:.3f}: the run keeps the start, as it was before training"
        )


def _first_judged(run: Run, judged: Callable[[dict[str, Any]], bool]) -> bool:
    """Judge what `start` made, before round 1."""
    entry: dict[str, Any] = {"round": 0}
    is_best = judged(entry)
    append_log(run, entry)
    return is_best


def _refit(
    run: Run,
    seen: Split[Array],
    judged_on: Split[Array],
    device: torch.device,
    stored: Sequence[Stored],
    interrupted: Callable[[], bool],
) -> None:
    """Train anew on both splits by what was chosen; the last weights are kept, unjudged."""
    if run.best is None:
        raise ConfigError(f"{run.folder} has chosen no weights to refit; train more rounds")
    rounds, fresh = int(run.best["step"]), not run.refitting
    tables = joined(seen, judged_on), None
    method = _begun(run, tables, judged_on, device, stored, fresh=fresh)
    if fresh:
        run.refitting, run.step, run.done = True, 0, rounds == 0
        run.commit(method, is_best=False)
    _train_rounds(run, method, rounds, interrupted)


def _begun(
    run: Run,
    tables: tuple[Split[Array], Split[Array] | None],
    judged_on: Split[Array],
    device: torch.device,
    stored: Sequence[Stored],
    *,
    fresh: bool,
) -> Method:
    """Return the method as the next round needs it: restored, or started afresh."""
    method = run.new_method(device, **run.chosen)
    heads, select_by = method.heads(), run.config.select_by
    check_judgeable(heads, judged_on, select_by, known=run.shapes, stored=bool(stored))
    for one in stored:
        one.answering(heads)
    if not fresh:
        run.load_checkpoint(method)
    fitted, chosen_by = tables
    choosing = None if chosen_by is None else to_device(chosen_by, device)
    method.bind(to_device(fitted, device), choosing)
    if fresh:
        method.start()
    return method


def _train_rounds(
    run: Run,
    method: Method,
    rounds: int,
    interrupted: Callable[[], bool],
    judged: Callable[[dict[str, Any]], bool] | None = None,
) -> None:
    """Make rounds up to that number; every few of them are judged, if at all, and checkpointed."""
    doing, begin = "refitting" if run.refitting else "training", time.monotonic()
    with progress(f"{doing} {run.method} on {method.device}", rounds, run.step) as bar:
        while run.step < rounds:
            entry = _round(run, method, begin)
            number = entry["round"]
            looked = number % run.config.validate_every == 0 or number == rounds
            is_best = judged is not None and looked and judged(entry)
            append_log(run, entry)
            run.step, run.done = number, number == rounds and (run.refitting or not run.refit)
            if looked or interrupted():
                run.commit(method, is_best=is_best)
            bar.advance(1, shown(run, entry))
            if interrupted():
                raise Interrupted


def _round(run: Run, method: Method, begin: float) -> dict[str, Any]:
    """Make a round; return its line of the log."""
    with computing_in(run.config.precision, method.device):
        losses = method.train_round()
    entry: dict[str, Any] = {"round": run.step + 1} | ({"refit": True} if run.refitting else {})
    told = {name: float(loss) for name, loss in losses.items()}
    if lost := [name for name, loss in told.items() if not math.isfinite(loss)]:
        raise ConfigError(
            f"round {entry['round']} makes {lost[0]} {told[lost[0]]}, which is no number: training "
            f"has diverged; train anew with a lower learning rate"
        )
    entry |= told
    return entry | {"seconds": round(time.monotonic() - begin, 3)}


def _validate(
    run: Run,
    method: Method,
    split: Split[Array],
    stored: Sequence[Stored],
    entry: dict[str, Any],
) -> bool:
    """Add the split's figures to the entry; say whether these weights are the best so far."""
    name, select_by = selection_split(run.config), run.config.select_by
    entry["selection"] = selection(run.config)
    if select_by.startswith(LOSS):
        figures = {select_by: _loss(entry, select_by)}
    else:
        judged = [one.judge(method, select_by) for one in stored]
        judged = judged or [judge(method, split, name, select_by)]
        entry[name] = figures = _mean_figures([dict(one.report().metrics) for one in judged])
    value = figures[select_by]
    run.last = {"step": entry["round"], "value": value, "figures": figures}
    if run.best is not None:
        gain = value - run.best["value"]
        if not (-gain if select_by.startswith(LOSS) else gain) > 0:
            return False
    run.best = run.last
    return True


def _mean_figures(reports: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each figure that all reports have."""
    names = [name for name in reports[0] if all(name in report for report in reports)]
    return {name: sum(report[name] for report in reports) / len(reports) for name in names}


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


@contextmanager
def _sigint_as_flag(
    current: Callable[[], int], device: torch.device
) -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C wait for the end of the round, and say so at once; a second one does not wait.

    Of several processes that train together, all end with the round in which one was stopped.
    """
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)
        say(f"finishing round {current()} …; Ctrl-C again stops at once and loses it")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: any_rank(bool(seen), device)
    finally:
        signal.signal(signal.SIGINT, before)
