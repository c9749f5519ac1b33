"""The rows of a report: what table and page show of a result, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zscr.infer.bench.result import Result
from zscr.infer.bench.run import Run
from zscr.infer.bench.subject import STAGES
from zscr.infer.bench.sweep import Point, Sweep
from zscr.infer.bench.times import WHOLE, Times, percentiles

SUM = "sum of stages"
HEAD = ("scenario", "of", "part", "queries", "p50", "p90", "p99", "mean", "CPU", "queries/s")
SWEEP_HEAD = ("index of", "search", "recall@10", "queries/s", "best")
_BUSY = 0.5  # processes that want each core
RULE = (
    "Milliseconds. A percentile is an upper bound with confidence 0.99 (early stopping of MLPerf "
    "inference); where the queries are too few for one, the number that it takes stands there. CPU "
    "is what all threads computed a query."
)


@dataclass(frozen=True)
class Line:
    """One row, cells in words as HEAD names them; `is_whole` if it is no part of another."""

    cells: Sequence[str]
    is_whole: bool


def lines_of(result: Result) -> Iterator[Line]:
    """Return the rows of every scenario."""
    for run in result.runs:
        named = run.scenario, run.subject
        if run.scenario == "offline":
            yield Line((*named, "all", f"{run.queries:,}", *["-"] * 3, *_spent(run)), True)
            continue
        for part, times in _parts(run):
            whole = part == WHOLE
            cells = _cells(times, run.unserved if part == WHOLE else 0)
            spent = _spent(run) if whole else (shown(times.mean), shown(times.mean_cpu), "")
            name = "latency" if whole else part
            yield Line((*named, name, f"{run.queries:,}", *cells, *spent), whole)


def _parts(run: Run) -> Iterator[tuple[str, Times]]:
    yield from run.times.items()
    if stages := stages_of(run):
        yield SUM, summed(stages)


def stages_of(run: Run) -> list[Times]:
    """Return the stages of a run in their order; none where it has none."""
    return [run.times[name] for name in STAGES if name in run.times]


def summed(parts: Sequence[Times]) -> Times:
    """Return the sum of parts, a query at a time."""
    walls, cpus = zip(*(one.wall for one in parts), strict=True), [one.cpu for one in parts]
    cpu = [sum(one) for one in zip(*cpus, strict=True)] if all(cpus) else []
    return Times([sum(one) for one in walls], cpu)


def _cells(times: Times, unserved: int) -> list[str]:
    total = len(times.wall) + unserved
    cells = []
    for bound in percentiles(times.wall, unserved).values():
        few = f"- (needs {bound['needs']:,})" if total < bound["needs"] else "unserved"
        cells.append(few if bound["ms"] is None else shown(bound["ms"]))
    return cells


def _spent(run: Run) -> tuple[str, str, str]:
    """Return a query's mean latency, where it has one, its computing, and queries a second."""
    mean = "-" if run.scenario == "offline" else shown(run.whole.mean)
    return mean, shown(1e3 * run.cpu_seconds / run.queries), f"{run.throughput:,.1f}"


def shown(milliseconds: float | None) -> str:
    """Return milliseconds with three digits that count."""
    if milliseconds is None:
        return "-"
    return f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"


def facts_of(result: Result) -> Iterator[str]:
    """Return sentences on what the rows do not say: loads, bounds, queries without an answer."""
    if result.interrupted:
        yield "Interrupted: this is what was measured until then."
    if busy := busy_words(result):
        yield busy
    for run in result.runs_of("server"):
        facts = run.facts
        told = f"server, {run.subject}: offered {facts['rate']:.3g} queries/s (Poisson), answered "
        told += f"{run.throughput:.3g}, {facts['workers']} at once"
        if facts["bound_ms"] is not None:
            told += f"; p99 is {'' if facts['held'] else 'not '}within {facts['bound_ms']:g} ms"
        if tried := facts.get("tried"):
            rates = ", ".join(
                f"{one['rate']:.3g} {'held' if one['held'] else 'did not'}" for one in tried
            )
            told += f"; rates that were tried: {rates}"
        yield told + (f"; {run.unserved:,} were never answered." if run.unserved else ".")
    if len(result.subjects) == 2:
        a, b = (subject["name"] for subject in result.subjects)
        yield f"A is {a}, B is {b}; in single and offline they took turns."
    for sweep in result.sweeps:
        yield f"index, {sweep.subject}: {sweep.n} vectors ({sweep.queries}), one at a time."


def busy_words(result: Result) -> str | None:
    """Say that the machine did other work when the measurement began, if so."""
    load, cores = result.load_average[0], result.machine["cores"]
    if load < _BUSY * cores:
        return None
    return (
        f"The load average was {load:g} on {cores} cores before the measurement of {result.when}: "
        f"other work slowed it down by the clock; CPU times tell more."
    )


def search_name(point: Point) -> str:
    """Return what a way to search is called."""
    return "exact" if point.ef is None else f"HNSW, ef {point.ef}"


def sweep_lines(sweep: Sweep) -> Iterator[tuple[str, ...]]:
    """Return a row a way to search, as SWEEP_HEAD names the cells."""
    for one in sweep.points:
        chosen = " (chosen)" if one.ef == sweep.chosen_ef else ""
        best = "yes" if sweep.is_best(one) else ""
        rate = f"{one.throughput:,.0f}"
        yield (sweep.subject, search_name(one) + chosen, f"{one.recall:.4f}", rate, best)


def about(result: Result) -> dict[str, object]:
    """Return what was measured, and on what."""
    machine, settings = result.machine, result.settings
    packages = {name: v for name, v in machine["packages"].items() if v}
    names = {
        f"of {one['name']}": f"bundle {one['bundle'][:12]}, {one['precision']}; index "
        f"{one['index'][:12]}, {one['images']:,} images x {one['dim']}, "
        f"{one['index_bytes'] / 1e6:.1f} MB; {one['search']}; {one['ran']}"
        for one in result.subjects
    }
    queries = result.queries
    asked = f"{queries['count']:,} of {queries['source']}, drawn with replacement, "
    asked += f"seed {settings.seed}; sha256 {queries['sha256'][:12]}"
    limit = [f"{settings.limit.queries:,} queries"] if settings.limit.queries else []
    limit += [f"{settings.limit.seconds:g} s"] if settings.limit.seconds else []
    processor = f"{machine['cpu']}, {machine['cores']} cores, {' '.join(machine.get('flags', ()))}"
    load = " and ".join(f"{one:g}" for one in result.load_average)
    return names | {
        "queries": asked,
        "a scenario": " or ".join(limit),
        "images a query": settings.k,
        "machine": processor,
        "memory": f"{machine.get('memory_gb', '?')} GB",
        "load average before and after": load,
        "system": machine.get("system", "?"),
        "versions": ", ".join(f"{n} {v}" for n, v in packages.items()),
        "commit": machine.get("commit") or "of no checkout",
        "when": result.when,
    }
