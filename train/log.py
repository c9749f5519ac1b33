"""A run's log: one JSON object a round, as far as its checkpoint has come."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from zscr.artefact import dump_jsonl
from zscr.disk import disk_faults
from zscr.errors import ArtefactError
from zscr.partial import write_atomically
from zscr.schema import flag, integer, record
from zscr.strict_json import parse_json
from zscr.train.run import Run

_ROUND = record({"round": integer(0, 1 << 53)}, {"refit": flag})


def append_log(run: Run, entry: Mapping[str, Any]) -> None:
    """Add a round's line."""
    if not run.writes:
        return
    with disk_faults(run.log), open(run.log, "ab", opener=_not_through_links) as log:
        log.write(dump_jsonl([entry]))


def _not_through_links(path: str, flags: int) -> int:
    """Open for Python; a run may come from a stranger, and its log lead to another file."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def truncate_log(run: Run) -> None:
    """Drop what was logged after the checkpoint, including a line that a kill cut short.

    Raises:
        ArtefactError: a whole line is no round.
    """
    if not run.writes:
        return
    lines = run.log.read_bytes().splitlines(keepends=True) if run.log.is_file() else []
    whole = [(number, line) for number, line in enumerate(lines, 1) if line.endswith(b"\n")]
    kept = [line for number, line in whole if _is_past(run, _entry(run, number, line))]
    write_atomically(run.log, b"".join(kept))


def _entry(run: Run, number: int, line: bytes) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = parse_json(line)
        _ROUND(entry, "")
    except ValueError as error:
        raise ArtefactError(
            f"{run.log}, line {number} is no round ({error}); remove that line"
        ) from error
    return entry


def _is_past(run: Run, entry: Mapping[str, Any]) -> bool:
    """Say whether a logged round lies before the checkpoint; a refit's come after all others."""
    if not run.begun:
        return False
    of_refit = bool(entry.get("refit"))
    return of_refit < run.refitting or (of_refit == run.refitting and entry["round"] <= run.step)
