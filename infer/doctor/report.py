"""Everything that `zscr doctor` says."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from zscr.errors import ArtefactError
from zscr.infer.bundle import Bundle
from zscr.infer.doctor.explained import explained
from zscr.infer.doctor.latency import Latency, latencies
from zscr.infer.doctor.machine import (
    Memory,
    Place,
    Processor,
    read_memory,
    read_places,
    read_processor,
)
from zscr.infer.doctor.software import Software, read_software
from zscr.infer.doctor.speed import Speed, measure_speed
from zscr.infer.doctor.trouble import Trouble, find_troubles
from zscr.infer.runners.runner import Runtime
from zscr.processor import largest_cache


@dataclass(frozen=True)
class Report:
    """What was read and measured.

    Attributes:
        load: processes that wanted a core in the last minute, on average.
        cache: bytes of the processor's largest cache; None where not told.
        bundle: whose query graphs were timed; None where there is none or it cannot be used.
        why: graph -> why its latency is far off the prediction.
    """

    processor: Processor
    cache: int | None
    memory: Memory
    load: float
    speed: Speed
    software: Software
    places: tuple[Place, ...]
    troubles: tuple[Trouble, ...]
    bundle: str | None = None
    latencies: tuple[Latency, ...] = ()
    why: dict[str, str] | None = None

    @property
    def broken(self) -> list[Trouble]:
        """What is needed and does not work."""
        return [one for one in self.troubles if one.broken]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


def examine(bundle: Path | None) -> Report:
    """Look at the machine, measure it, and time the query graphs of a bundle if one is given."""
    variables = dict(os.environ)  # before onnxruntime is loaded, for which some are set
    load, runtime = os.getloadavg()[0], Runtime()
    processor, memory, places = read_processor(), read_memory(), read_places()
    software = read_software()
    found = Report(
        processor,
        largest_cache(),
        memory,
        load,
        measure_speed(runtime.thread_count),
        software,
        tuple(places),
        tuple(find_troubles(processor, memory, software, places, variables)),
    )
    return found if bundle is None else _with_bundle(found, bundle, runtime)


def _with_bundle(report: Report, folder: Path, runtime: Runtime) -> Report:
    """Add the latencies of a bundle, or that it is broken."""
    try:
        bundle = Bundle.open(folder, runtime)
        timed = latencies(bundle, report.speed, report.memory) if report.software.providers else []
    except ArtefactError as error:
        what, _, fix = str(error).rpartition("; ")  # the manner of every such error
        trouble = Trouble(what, fix, True)
        return replace(report, troubles=(trouble, *report.troubles))
    told = dict[str, str]()
    for one in timed:
        if one.work and (why := explained(one, report.speed, report.load, report.cache)):
            told[one.graph] = why
    return replace(report, bundle=str(folder), latencies=tuple(timed), why=told)
