"""A run's log: one JSON object a round, as far as its checkpoint has come."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from zscr.artefact import dump_jsonl
from zscr.disk import disk_faults
from zscr.partial import write_atomically
from zscr.train.run import Run


def append_log(run: Run, entry: Mapping[str, Any]) -> None:
    """Add a round's line."""
    with disk_faults(run.log), open(run.log, "ab", opener=_not_through_links) as log:
        log.write(dump_jsonl([entry]))


def _not_through_links(path: str, flags: int) -> int:
    """Open for Python; a run may come from a stranger, and its log lead to another file."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def truncate_log(run: Run) -> None:
    """Drop what was logged after the checkpoint, including a line that a kill cut short."""
    lines = run.log.read_bytes().splitlines(keepends=True) if run.log.exists() else []
    kept = [line for line in lines if line.endswith(b"\n") and _is_past(run, json.loads(line))]
    write_atomically(run.log, b"".join(kept))


def _is_past(run: Run, entry: Mapping[str, Any]) -> bool:
    """Say whether a logged round lies before the checkpoint; a refit's come after all others."""
    if not run.begun:
        return False
    of_refit = bool(entry.get("refit"))
    return of_refit < run.refitting or (of_refit == run.refitting and entry["round"] <= run.step)
