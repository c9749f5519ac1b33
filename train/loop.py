"""The training loop: draw, step, and between rounds log, validate and checkpoint."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch

from zscr.data.artefact import dump_jsonl, no_space_as_error, write_atomically
from zscr.infer.evaluate import Judged, judged
from zscr.infer.split import SplitFeatures
from zscr.progress import Progress, progress
from zscr.train.methods import Batch
from zscr.train.run import Run
from zscr.train.sampler import ClassSampler, Draw, Rows


class Interrupted(Exception):
    """Ctrl-C arrived; the run is checkpointed and can be resumed."""


class DeviceRows:
    """All features of a split on the device; a draw becomes a batch by indexing alone."""

    def __init__(self, split: SplitFeatures, device: torch.device | str) -> None:
        self.images = torch.from_numpy(split.images).to(device)
        self.texts = torch.from_numpy(split.texts).to(device)

    def batch(self, draw: Draw) -> Batch:
        """Gather a draw's rows; the wrong pair of row i is row i-1's, text and image alike."""
        text, image = _gather(self.texts, draw.texts), _gather(self.images, draw.images)
        return Batch(text, image, text.roll(1, 0), image.roll(1, 0))


def _gather(table: torch.Tensor, rows: Rows) -> torch.Tensor:
    index = torch.from_numpy(rows).to(table.device)
    if rows.min() >= 0:
        return table[index]
    return table[index.clamp_min(0)] * (index >= 0)[:, None]


@dataclass
class _Losses:
    """Sums of a round's losses, kept on the device so that no step waits for the host."""

    sums: dict[str, torch.Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, losses: Mapping[str, torch.Tensor]) -> None:
        for name, loss in losses.items():
            self.sums[name] = self.sums[name] + loss if name in self.sums else loss.clone()
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        return {name: float(total) / self.counts[name] for name, total in self.sums.items()}

    @property
    def state(self) -> dict[str, Any]:
        return {name: [float(total), self.counts[name]] for name, total in self.sums.items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], device: torch.device) -> _Losses:
        sums = {name: torch.tensor(value[0], device=device) for name, value in state.items()}
        return cls(sums, {name: value[1] for name, value in state.items()})


def train(run: Run, seen: SplitFeatures, val: SplitFeatures, device: torch.device) -> None:
    """Train from the run's last checkpoint (or from nothing) to its last round.

    Raises:
        Interrupted: SIGINT arrived; a checkpoint was written first.
    """
    config = run.config
    method, sampler, losses = run.new_method(device), make_sampler(config, seen), _Losses()
    if run.step:
        state = run.load_checkpoint(method)
        sampler.state, losses = state["sampler"], _Losses.from_state(state["losses"], device)
    _truncate_log(run, run.step // method.steps_per_round)
    rows, per_round = DeviceRows(seen, device), method.steps_per_round
    start = time.monotonic()

    def checkpoint(*, is_best: bool = False) -> None:
        state = {"sampler": sampler.state, "losses": losses.state}
        run.commit(method, state, is_best=is_best)

    title = f"training {run.method} on {device}"
    done = run.step // per_round
    with progress(title, config.rounds, done) as bar, _sigint_as_flag() as interrupted:
        while run.step < config.rounds * per_round:
            losses.add(method.train_step(rows.batch(sampler.draw()), run.step))
            run.step += 1
            if run.step % per_round == 0:
                number = run.step // per_round
                entry = {"round": number, **losses.means()}
                entry["seconds"] = round(time.monotonic() - start, 3)
                losses = _Losses()
                run.done = number == config.rounds
                validated = number % config.validate_every == 0 or run.done
                is_best = validated and _validate(run, method, val, entry)
                _append_log(run, entry)
                if validated:
                    checkpoint(is_best=is_best)
                _show(bar, run, entry)
            if interrupted():
                if not run.committed:
                    checkpoint()
                raise Interrupted


def make_sampler(config: Any, seen: SplitFeatures) -> ClassSampler:
    """Build the sampler that a method's configuration asks for."""
    return ClassSampler(
        seen.image_starts,
        seen.text_starts,
        batch_size=config.batch_size,
        seed=config.seed,
        all_texts=config.class_texts == "all",
        zero_pad_tail=config.zero_pad_tail,
        allow_same_class_wrong=config.allow_same_class_wrong,
    )


def _validate(run: Run, method: Any, val: SplitFeatures, entry: dict[str, Any]) -> bool:
    """Add validation figures to the entry; say whether these weights are the best so far."""
    figures = judge(method, val).report().metrics
    entry["val"] = dict(figures)
    value = figures[run.config.select_by]  # type: ignore[attr-defined]
    if run.best is not None and value <= run.best["value"]:
        return False
    run.best = {"step": run.step, "value": value, "figures": dict(figures)}
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
    best = run.best["figures"]["Prec@50 macro"] if run.best else float("nan")
    bar.advance(1, f"{losses} best val Prec@50 {best:.3f}")


def _append_log(run: Run, entry: Mapping[str, Any]) -> None:
    with no_space_as_error(run.log), run.log.open("ab") as log:
        log.write(dump_jsonl([entry]))


def _truncate_log(run: Run, rounds: int) -> None:
    """Drop what was logged after the checkpoint, including a line that a kill cut short."""
    lines = run.log.read_bytes().splitlines(keepends=True) if run.log.exists() else []
    kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["round"] <= rounds]
    write_atomically(run.log, b"".join(kept))


@contextmanager
def _sigint_as_flag() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C wait for the end of the step; a second one stops at once."""
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, before)
