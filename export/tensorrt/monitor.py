"""How far a build is: TensorRT's phases lie in each other, and a bar shows one number."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from zscr.export.tensorrt.api import TensorRT
from zscr.progress import Progress

STEPS = 100  # of the bar of an engine


@dataclass
class Phase:
    """A phase of a build: how many steps it has, and how many are done."""

    parent: str | None
    steps: int
    done: int = 0


class Phases:
    """Turns phases into the share of a build that is done; it never falls."""

    def __init__(self) -> None:
        self.open: dict[str, Phase] = {}
        self.share = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """Begin a phase within another, or the outermost one."""
        self.open[name] = Phase(parent, max(steps, 1))

    def step(self, name: str, step: int) -> None:
        """Count a step, by its number from 0."""
        if phase := self.open.get(name):
            phase.done = min(step + 1, phase.steps)
            self.share = max(self.share, self._share())

    def finish(self, name: str) -> None:
        """End a phase."""
        self.open.pop(name, None)

    def _share(self) -> float:
        """Add up what is done from the outermost phase inwards, each within a step of the last."""
        share, width, parent = 0.0, 1.0, None
        while inner := next((n for n, p in self.open.items() if p.parent == parent), None):
            phase = self.open[inner]
            share += width * phase.done / phase.steps
            width, parent = width / phase.steps, inner
            if phase.done == phase.steps:
                break
        return min(share, 1.0)


def monitor_of(module: TensorRT, bar: Progress) -> Any:
    """Make a progress monitor that advances a bar of `STEPS`.

    An exception must not pass through the C++ that calls: Ctrl-C is kept in `stopped`, and the
    build told to end.
    """

    class Monitor(module.IProgressMonitor):  # type: ignore[misc,name-defined]  # as above
        def __init__(self) -> None:
            module.IProgressMonitor.__init__(self)
            self.phases, self.shown = Phases(), 0
            self.stopped: BaseException | None = None
            self.lock = threading.Lock()  # it is called from several threads

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self.lock:
                self.phases.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            try:
                with self.lock:
                    self.phases.step(phase_name, step)
                    self.show(phase_name)
            except BaseException as error:  # noqa: BLE001  # raised again when the build has ended
                self.stopped = self.stopped or error
            return self.stopped is None

        def phase_finish(self, phase_name: str) -> None:
            with self.lock:
                self.phases.finish(phase_name)

        def show(self, note: str) -> None:
            more = int(self.phases.share * (STEPS - 1)) - self.shown  # the last is when it is kept
            if more > 0:
                self.shown += more
                bar.advance(more, note.lower())

    return Monitor()
