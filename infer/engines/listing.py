"""The engines of several bundles: listed, proven, and the stale ones removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from zscr.errors import ArtefactError
from zscr.infer.bundle_manifest import open_manifest
from zscr.infer.engines.cache import SUFFIX, discard, engines_folder, judged_engines
from zscr.infer.engines.state import Judged, State

USELESS = (State.STALE, State.DAMAGED)  # another user's may be of use to that one


@dataclass(frozen=True)
class Row:
    """An engine beside a bundle, and whether it may be loaded here."""

    bundle: Path
    judged: Judged

    @property
    def age(self) -> timedelta | None:
        """Since it was built, by what it says of itself; None where that cannot be read."""
        if (entry := self.judged.entry) is None:
            return None
        return datetime.now(UTC) - datetime.fromisoformat(entry.body["when"])

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON can hold it."""
        entry, judged = self.judged.entry, self.judged
        told = {"bundle": str(self.bundle), "folder": str(judged.folder)}
        told |= {"state": str(judged.state), "why": judged.why}
        if entry is None:
            return told
        about = {name: entry.body[name] for name in ("graph", "when", "seconds", "status")}
        made_for = entry.recipe.toolchain.made_for
        library = f"{entry.recipe.toolchain.library} {entry.recipe.toolchain.version}"
        about |= {"precision": entry.recipe.precision, "for": made_for, "by": library}
        return told | about | {"bytes": entry.size}


def list_engines(bundles: Iterable[Path]) -> Iterator[Row]:
    """Yield the engines beside bundles, which may be gone.

    Raises:
        ArtefactError: the user's key cannot be read.
        ConfigError: there is a GPU whose driver does not say its version.
    """
    for bundle in bundles:
        yield from (Row(bundle, judged) for judged in judged_engines(bundle))


def bundles_with_engines(places: Iterable[Path]) -> list[Path]:
    """Return the bundles in some folders, gone ones too, that have a folder of engines."""
    found = (path for place in places for path in sorted(place.glob(f"*{SUFFIX}")))
    return [path.with_name(path.name.removesuffix(SUFFIX)) for path in found if path.is_dir()]


def require_there(bundle: Path) -> None:
    """Prove that there is a bundle, or at least engines of one that is gone.

    Raises:
        ArtefactError: there is neither.
    """
    if not bundle.exists() and not engines_folder(bundle).is_dir():
        raise ArtefactError(f"there is no bundle {bundle} and no engine of one; name another")


def explained(bundle: Path) -> Iterator[str]:
    """Yield a line for each graph in each precision of a bundle: its engines, and why or why not.

    Raises:
        ArtefactError: it is no bundle, or the user's key cannot be read.
    """
    graphs = open_manifest(bundle).body["graphs"]
    rows = list(judged_engines(bundle))
    for name, graph in graphs.items():
        for precision in graph["variants"]:
            own = [row for row in rows if row.entry and row.is_of(name, precision)]
            yield from (f"{name} in {precision}: {row.state}: {row.why}" for row in own)
            if not own:
                yield f"{name} in {precision}: none has been built"
    named = {(n, p) for n, graph in graphs.items() for p in graph["variants"]}
    for row in rows:
        if not (row.entry and any(row.is_of(*one) for one in named)):
            yield f"{row.folder.name}: {row.state}: {row.why}"


def faults_of(rows: Iterable[Row]) -> Iterator[tuple[Row, str | None]]:
    """Yield each engine with what is wrong with it, its bytes read; None where it is sound."""
    for row in rows:
        fault: str | None = row.judged.why
        if row.judged.entry:
            try:
                row.judged.entry.read()
                fault = None
            except ArtefactError as error:
                fault = str(error)
        yield row, fault


def prunable(rows: Iterable[Row], older_than: timedelta | None) -> list[Row]:
    """Return the engines that can never be used again, of those that are old enough."""
    useless = (row for row in rows if row.judged.state in USELESS)
    return [row for row in useless if older_than is None or (row.age and row.age >= older_than)]


def prune(rows: Iterable[Row]) -> int:
    """Remove engines; return how many bytes they took.

    Raises:
        ArtefactError: the disk refuses.
    """
    freed = 0
    for row in rows:
        files = (path for path in row.judged.folder.rglob("*") if path.is_file())
        freed += sum(path.stat().st_size for path in files)
        discard(row.judged.folder)
    return freed
