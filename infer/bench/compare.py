"""Comparing what was measured, part by part, where it was measured alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from zscr.errors import MismatchError
from zscr.infer.bench.ratio import Ratio, ratio_of
from zscr.infer.bench.result import Result
from zscr.infer.bench.run import Run
from zscr.infer.bench.settings import Settings
from zscr.infer.bench.times import WHOLE

RATE = 0.01  # by which offered rates may differ and still be the same load
HEAD = ("scenario", "part", "A", "B", "B / A [95 %]", "B is")


@dataclass(frozen=True)
class Difference:
    """What was compared: medians of `a` and `b` in milliseconds, a query or offline a batch."""

    scenario: str
    part: str
    a: float
    b: float
    ratio: Ratio


def differences(a: Sequence[Run], b: Sequence[Run], *, together: bool) -> Iterator[Difference]:
    """Compare runs of the same scenarios, part by part; loads that differ are passed over.

    Args:
        a, b: of one subject each.
        together: whether they are of one measurement, in which both took turns.
    """
    of_b = {run.scenario: run for run in b}
    for first in a:
        second = of_b.get(first.scenario)
        if second is None or load_fault(first, second):
            continue
        turns = together and first.scenario != "server"  # where each has its own time
        for part, one, other in _pairs(first, second):
            ratio = ratio_of(one, other, together=turns)
            middles = float(np.median(one)), float(np.median(other))
            yield Difference(first.scenario, part, *middles, ratio)


def _pairs(a: Run, b: Run) -> Iterator[tuple[str, Sequence[float], Sequence[float]]]:
    """Return the name of each part of both, and its times in both, by the clock and computed."""
    for part in a.times:
        if part not in b.times or part == "waiting":  # which may be 0
            continue
        name = part if part != WHOLE else "batch" if a.scenario == "offline" else "latency"
        one, other = a.times[part], b.times[part]
        yield name, one.wall, other.wall
        if one.cpu and other.cpu:
            yield f"{name}, CPU", one.cpu, other.cpu


def load_fault(a: Run, b: Run) -> str | None:
    """Say why latencies of two runs cannot be compared, if so."""
    if a.facts.get("batch") != b.facts.get("batch"):
        return f"offline: batches of {a.facts.get('batch')} and {b.facts.get('batch')} queries"
    rates = a.facts.get("rate", 1.0), b.facts.get("rate", 1.0)
    if abs(rates[0] - rates[1]) > RATE * max(rates):
        return (
            f"server: {rates[0]:.3g} and {rates[1]:.3g} queries/s were offered, latencies of which "
            f"are not comparable; give both the same --rate"
        )
    return None


def load_faults(a: Result, b: Result) -> list[str]:
    """Say which scenarios of two results cannot be compared, and why."""
    others = {run.scenario: run for run in _firsts(b)}
    pairs = [(one, others[one.scenario]) for one in _firsts(a) if one.scenario in others]
    return [fault for pair in pairs if (fault := load_fault(*pair))]


def faults(a: Result, b: Result) -> list[str]:
    """Return what two results differ in beside what was measured, in words."""
    found = []
    for name in ("cpu", "cores"):
        if a.machine[name] != b.machine[name]:
            found.append(f"the machine's {name} ({a.machine[name]} and {b.machine[name]})")
    found += [
        f"{name} ({value} and {other})"
        for (name, value), other in zip(
            _settings(a.settings).items(), _settings(b.settings).values(), strict=True
        )
        if value != other
    ]
    if a.queries["sha256"] != b.queries["sha256"]:
        found.append(f"queries ({a.queries['source']} and {b.queries['source']})")
    images = a.subjects[0]["images"], b.subjects[0]["images"]
    if images[0] != images[1]:
        found.append(f"images of the index ({images[0]:,} and {images[1]:,})")
    return found


def _settings(settings: Settings) -> dict[str, object]:
    """Return what must be alike; parts and lengths need not be."""
    own = settings.to_json()
    alike = ("k", "backend", "threads", "workers", "seed", "release_memory")
    return {name: own[name] for name in alike}


def compare(a: Result, b: Result, *, anyway: bool = False) -> list[Difference]:
    """Compare the first subjects of two results.

    Args:
        a, b: that `zscr bench` has made.
        anyway: of results that differ in more than what was measured, too.

    Raises:
        MismatchError: they do, or have no scenario that could be compared.
    """
    differing = faults(a, b)
    if differing and not anyway:
        raise MismatchError(
            f"A and B differ in {', '.join(differing)}, so their times say nothing of each other; "
            f"measure both alike, or give --anyway"
        )
    found = [*differences(_firsts(a), _firsts(b), together=False)]
    if not found:
        raise MismatchError(
            "A and B have no scenario of the same load; measure both with the same --scenario "
            "and --rate"
        )
    return found


def _firsts(result: Result) -> list[Run]:
    """Return the runs of a result's first subject."""
    return [run for run in result.runs if run.subject == result.subjects[0]["name"]]


def against(result: Result) -> list[Difference]:
    """Compare the two subjects of a result; nothing where there is one."""
    if len(result.subjects) < 2:
        return []
    names = [subject["name"] for subject in result.subjects]
    runs = [[run for run in result.runs if run.subject == name] for name in names]
    return [*differences(*runs, together=True)]


def compared_rows(found: Sequence[Difference]) -> Iterator[tuple[str, ...]]:
    """Return a row a difference, as HEAD names the cells."""
    for one in found:
        ratio = one.ratio
        words = f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"
        yield (one.scenario, one.part, f"{one.a:.3g} ms", f"{one.b:.3g} ms", words, ratio.verdict)
