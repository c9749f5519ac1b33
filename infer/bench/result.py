"""A measurement whole: what was measured, of what, on what, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zscr.disk import reading_faults
from zscr.errors import ArtefactError, InputError
from zscr.infer.bench.run import RUN, Run, run_from
from zscr.infer.bench.settings import SETTINGS, Settings, settings_from
from zscr.infer.bench.sweep import SWEEP, Sweep, sweep_from
from zscr.regular import read_regular
from zscr.schema import (
    SHA256,
    anything,
    flag,
    integer,
    listing,
    mapping,
    number,
    one_of,
    record,
    text,
)
from zscr.strict_json import parse_json

KIND, SCHEMA = "zscr bench", 1
JSON = "result.json"
_LARGEST = 1 << 28  # bytes of a file
_MACHINE = record({"cpu": text(400), "cores": integer(1, 1 << 16), "packages": mapping(anything)})
_QUERIES = record({"source": text(1000), "count": integer(1, 1 << 40), "sha256": SHA256})
_SUBJECT = record(
    {
        "name": text(300),
        "bundle": SHA256,
        "precision": text(100),
        "index": SHA256,
        "index_bytes": integer(0, 1 << 60),
        "images": integer(0, 1 << 40),
        "dim": integer(1, 1 << 30),
        "search": text(1000),
        "ran": text(400),
    }
)
_RESULT = record(
    {
        "kind": one_of(KIND),
        "schema": one_of(SCHEMA),
        "when": text(40),
        "interrupted": flag,
        "machine": _MACHINE,
        "settings": SETTINGS,
        "queries": _QUERIES,
        "load_average": listing(number(0, 1e9), 2, 2),
        "subjects": listing(_SUBJECT, 1, 2),
        "runs": listing(RUN, 0, 1000),
        "sweeps": listing(SWEEP, 0, 1000),
    }
)


@dataclass
class Result:
    """What a report tells.

    Attributes:
        when: UTC, `2026-11-26T12:00:00`; machine: see `zscr.machine.describe`.
        settings: that were asked for; queries: what was asked, see `Pool.about`.
        subjects: what answered, see `Subject.about`; two where one was measured against another.
        load_average: processes that wanted a core, of a minute, before and after: above 0 before
            says that the machine was not idle.
        runs, sweeps: what was measured; interrupted: whether a Ctrl-C has ended it.
    """

    when: str
    machine: Mapping[str, Any]
    settings: Settings
    queries: Mapping[str, Any]
    subjects: list[dict[str, Any]]
    load_average: list[float] = field(default_factory=lambda: [0.0, 0.0])
    runs: list[Run] = field(default_factory=list)
    sweeps: list[Sweep] = field(default_factory=list)
    interrupted: bool = False

    def runs_of(self, scenario: str) -> list[Run]:
        """Return the runs of a scenario, a subject each."""
        return [run for run in self.runs if run.scenario == scenario]

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {
            "kind": KIND,
            "schema": SCHEMA,
            "when": self.when,
            "interrupted": self.interrupted,
            "machine": dict(self.machine),
            "settings": self.settings.to_json(),
            "queries": dict(self.queries),
            "load_average": self.load_average,
            "subjects": self.subjects,
            "runs": [run.to_json() for run in self.runs],
            "sweeps": [sweep.to_json() for sweep in self.sweeps],
        }


def read_result(path: Path) -> Result:
    """Read a result file, or that of a folder that `zscr bench` has made.

    Raises:
        ArtefactError: there is none, or it is something else.
    """
    with reading_faults(path):
        path = path / JSON if path.is_dir() else path
        there = path.exists()
    if not there:
        raise ArtefactError(f"there is no result {path}; make one with 'zscr bench'")
    try:
        row = parse_json(read_regular(path, _LARGEST, "result"))
        _RESULT(row, "")
    except (ValueError, InputError) as error:
        raise ArtefactError(f"{path} is no result of 'zscr bench' ({error}); name one") from error
    return Result(
        row["when"],
        row["machine"],
        settings_from(row["settings"]),
        row["queries"],
        row["subjects"],
        row["load_average"],
        [run_from(one) for one in row["runs"]],
        [sweep_from(one) for one in row["sweeps"]],
        row["interrupted"],
    )
