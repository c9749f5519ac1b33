"""The engines beside a bundle, and the one that a graph runs as on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from zscr.artefact import Manifest, read_manifest
from zscr.disk import disk_faults, reading_faults
from zscr.errors import ArtefactError
from zscr.infer.bundle_manifest import FIELDS, KIND, graph_file
from zscr.infer.engines.entry import Entry
from zscr.infer.engines.state import Judged, State, judge
from zscr.infer.engines.toolchain import Here, read_here
from zscr.partial import partial_name

SUFFIX = ".engines"


@dataclass(frozen=True)
class Rebuild:
    """No engine may be loaded: the graph to build one of, and why there is none, a sentence."""

    onnx: Path
    why: str


def engines_folder(bundle: Path) -> Path:
    """Return where a bundle's engines are: beside the folder that a link names."""
    folder = bundle.resolve()
    return folder.with_name(folder.name + SUFFIX)


def engine_for(
    bundle: Path, manifest: Manifest, graph: str, precision: str, here: Here
) -> Entry | Rebuild:
    """Return the engine that a graph runs as; the newest, where there are several.

    `Entry.read` gives its bytes, proven to be those that this user's zscr built.

    Args:
        bundle: its folder; manifest: of it.
        graph: its name; precision: one that the bundle has it in.
        here: the library that is to run it, and on what.

    Raises:
        ArtefactError: the user's key cannot be read.
    """

    def look(library: str) -> Here | None:
        return here if library == here.library else None

    place = engines_folder(bundle)
    judged = [judge(one, manifest, look) for one in _folders(place, f"{graph}-{precision}-")]
    found = [one for one in judged if one.is_of(graph, precision)]
    usable = [one.entry for one in found if one.state is State.USABLE and one.entry]
    if usable:
        return max(usable, key=lambda entry: str(entry.body["when"]))
    onnx = bundle / graph_file(manifest, graph, precision)
    none = f"no engine of '{graph}' in {precision} has been built for {here.library}"
    return Rebuild(onnx, "; ".join(one.why for one in found) or none)


def judged_engines(bundle: Path, *, look: Here | None = None) -> Iterator[Judged]:
    """Yield all engines beside a bundle, which may be gone, by name.

    Args:
        bundle: its folder.
        look: what is here, if it is not to be looked at.

    Raises:
        ArtefactError: the user's key cannot be read.
        ConfigError: there is a GPU whose driver does not say its version.
    """
    seen = cache(read_here)
    manifest = _bundle_manifest(bundle)
    for folder in _folders(engines_folder(bundle)):
        yield judge(folder, manifest, (lambda _: look) if look else seen)


def superseded(bundle: Path, graph: str, precision: str) -> list[str]:
    """Return why earlier engines of a graph in a precision can never be used again."""
    stale = (one for one in judged_engines(bundle) if one.state is State.STALE and one.entry)
    return [*dict.fromkeys(one.why for one in stale if one.is_of(graph, precision))]


def discard(folder: Path) -> None:
    """Remove an engine, if it is there; who opens it meanwhile finds all of it or nothing.

    Raises:
        ArtefactError: the disk refuses.
    """
    from shutil import rmtree  # which loads three libraries of compression

    if not os.path.lexists(folder):
        return
    aside = partial_name(folder)
    with disk_faults(folder), reading_faults(folder):
        os.rename(folder, aside)
        rmtree(aside)


def _bundle_manifest(bundle: Path) -> Manifest | None:
    try:
        return read_manifest(bundle, KIND, FIELDS)
    except (ArtefactError, FileNotFoundError):  # it is gone, or cannot be run any more
        return None


def _folders(place: Path, start: str = "") -> Iterator[Path]:
    with reading_faults(place):
        found = sorted(place.iterdir()) if place.is_dir() else []
    yield from (
        one for one in found if one.is_dir() and one.name[0] != "." and one.name.startswith(start)
    )
