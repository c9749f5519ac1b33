"""A run's log: one JSON object a round, as far as its checkpoint has come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from zscr.artefact import dump_jsonl, no_space_as_error, write_atomically
from zscr.train.run import Run


def append_log(run: Run, entry: Mapping[str, Any]) -> None:
    """Add a round's line."""
    with no_space_as_error(run.log), run.log.open("ab") as log:
        log.write(dump_jsonl([entry]))


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
