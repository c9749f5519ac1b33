"""Whether an engine may be loaded here, and why not, in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from zscr.artefact import Manifest, kind_of
from zscr.errors import ArtefactError
from zscr.infer.bundle_manifest import graph_file
from zscr.infer.engines.entry import Entry, read_entry
from zscr.infer.engines.toolchain import Device, Here, Toolchain

Look = Callable[[str], Here | None]  # a library -> what it would run on
_OLD = "engines"  # the kind of a folder of several, as an older zscr made them


class State(StrEnum):
    """What may be done with an engine.

    USABLE here · ELSEWHERE: sound, for another GPU or library than those here · STALE: of a graph,
    a version or a driver that is gone · FOREIGN: not built by this user's zscr · DAMAGED: cut,
    edited or unreadable.
    """

    USABLE = "usable"
    ELSEWHERE = "elsewhere"
    STALE = "stale"
    FOREIGN = "foreign"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Judged:
    """An engine's folder, what its manifest says where that can be read, its state, and why."""

    folder: Path
    entry: Entry | None
    state: State
    why: str

    def is_of(self, graph: str, precision: str) -> bool:
        """Say whether it is of a graph in a precision, whatever its folder is called."""
        if self.entry is None:  # its name is all that is known
            return True
        return self.entry.body["graph"] == graph and self.entry.recipe.precision == precision


class _Change(NamedTuple):
    was: str
    now: str
    gone: bool  # for good, where the other is only somewhere else


def judge(folder: Path, bundle: Manifest | None, look: Look) -> Judged:
    """Say whether an engine may be loaded here; the engine itself is not read.

    Args:
        folder: of the engine.
        bundle: the manifest of the bundle beside it; None if that is gone.
        look: says what a library would run on; None where it is not installed.

    Raises:
        ArtefactError: the user's key cannot be read.
    """
    try:
        if kind_of(folder) == _OLD:
            return Judged(folder, None, State.STALE, "an older zscr made it, which sealed nothing")
        entry = read_entry(folder)
    except ArtefactError as error:
        return Judged(folder, None, State.DAMAGED, str(error))
    if entry.refusal:
        state = State.DAMAGED if entry.is_own else State.FOREIGN
        return Judged(folder, entry, state, entry.refusal)
    if entry.path.stat().st_size != entry.size:
        why = f"it has {entry.path.stat().st_size} bytes and was built with {entry.size}"
        return Judged(folder, entry, State.DAMAGED, why)
    if gone := _graph_fault(entry, bundle):
        return Judged(folder, entry, State.STALE, gone)
    return Judged(folder, entry, *_fits(entry.recipe.toolchain, look))


def _graph_fault(entry: Entry, bundle: Manifest | None) -> str | None:
    name, precision = entry.body["graph"], entry.recipe.precision
    if bundle is None:
        return f"its bundle {entry.body['bundle']} is gone"
    try:
        file = graph_file(bundle, name, precision)
    except KeyError:
        return f"its bundle has no graph '{name}' in {precision} any more"
    if bundle.files[file]["sha256"] != entry.recipe.onnx:
        return f"{file} is another graph than the one it was built of"
    return None


def _fits(built: Toolchain, look: Look) -> tuple[State, str]:
    here = look(built.library)
    if here is None:
        return State.ELSEWHERE, f"{built.library}, which built it, is not installed here"
    changes = list(changes_of(built, here))
    if not changes:
        return State.USABLE, f"for {built.made_for}, by {built.library} {built.version}"
    state = State.STALE if any(one.gone for one in changes) else State.ELSEWHERE
    return state, spoken(changes)


def spoken(changes: list[_Change]) -> str:
    """Say what changed: `built for sm86, driver 550; here sm89, driver 580`."""
    was = ", ".join(one.was for one in changes)
    now = ", ".join(one.now for one in changes)
    return f"built for {was}; here {now}"


def changes_of(built: Toolchain, here: Here) -> Iterator[_Change]:
    """Yield in what an engine's toolchain differs from what is here, such that it cannot run."""
    changed = False
    if built.version != here.version:
        changed = True
        was, now = (f"{built.library} {one.version}" for one in (built, here))
        yield _Change(was, now, gone=True)
    if built.cuda != here.cuda:
        changed = True
        yield _Change(f"CUDA {built.cuda}", f"CUDA {here.cuda}", gone=True)
    if here.device is None:
        if not changed:
            yield _Change(built.made_for, "no GPU", gone=False)
    elif built.device is None:
        if not built.runs_on(here.device.capability):
            yield _Change(built.made_for, here.device.capability.lower(), gone=False)
    elif built.device != here.device:
        yield from _device_changes(built.device, here.device)


def _device_changes(built: Device, here: Device) -> Iterator[_Change]:
    if (built.name, built.capability) != (here.name, here.capability):
        was, now = (f"{one.name} ({one.capability.lower()})" for one in (built, here))
        yield _Change(was, now, gone=False)
    if built.driver != here.driver:
        same = built.name == here.name  # else it is the driver of another machine
        yield _Change(f"driver {built.driver}", f"driver {here.driver}", gone=same)
