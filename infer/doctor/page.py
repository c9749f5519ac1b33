"""The report laid out for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from zscr.infer.doctor.latency import Latency
from zscr.infer.doctor.machine import Memory, Place, Processor
from zscr.infer.doctor.report import Report
from zscr.infer.doctor.software import Software
from zscr.infer.doctor.trouble import Trouble

_WIDTH, _INDENT = 80, 16  # columns of a line, and of the names at its left


def page(report: Report) -> str:
    """Lay a report out: machine, speed, software, what is missing, the bundle, and trouble."""
    sections = {
        "machine": [*_machine(report.processor, report.cache), *_memory(report.memory)],
        "measured": [*_speed(report)],
        "installed": [*_software(report.software)],
        "not installed": [*_missing(report.software)],
        "places": [line for place in report.places for line in _place(place)],
        f"latency of {report.bundle}": [*_latencies(report)] if report.bundle else [],
        "trouble": [*_troubles(report.troubles)],
    }
    parts = ["\n".join((name, *lines)) for name, lines in sections.items() if lines]
    return "\n\n".join(parts)


def _machine(processor: Processor, cache: int | None) -> Iterator[str]:
    yield from _line("processor", processor.name)
    quota = "no quota" if processor.quota is None else f"quota of {processor.quota:g}"
    seen = f"{processor.affinity} of {processor.cores} by affinity, {quota}"
    yield from _line("cores", f"{processor.usable} can be used: {seen}")
    yield from _line("largest cache", "not told" if cache is None else _size(cache))
    if processor.lacks is None:
        yield from _line("instructions", "cannot be read: there is no /proc/cpuinfo that tells")
        return
    for flag, does in processor.flags.items():
        yield from _line(flag, does)
    if processor.lacks:
        yield from _line("it lacks", ", ".join(processor.lacks))


def _memory(memory: Memory) -> Iterator[str]:
    limit = "" if memory.usable == memory.machine else f", limited to {_size(memory.usable)}"
    free = "not told" if memory.free is None else _size(memory.free)
    yield from _line("memory", f"{_size(memory.machine)}{limit}; free: {free}")


def _speed(report: Report) -> Iterator[str]:
    speed = report.speed
    yield from _line("reading", f"{speed.gb_s:.1f} GB/s, of a buffer of {_size(speed.buffer)}")
    yield from _line("fp32 products", f"{speed.gflop_s:.1f} GFLOP/s, by {speed.blas}")
    yield from _line(
        "with", f"{speed.threads} threads, the best of a few passes, at a load of {report.load:.1f}"
    )


def _software(software: Software) -> Iterator[str]:
    yield from _line("python", software.python)
    told = [f"{name} {version}" for name, version in software.packages.items() if version]
    yield from _line("packages", ", ".join(told))
    if software.onnxruntime_fault:
        yield from _line("onnxruntime", f"cannot be loaded: {software.onnxruntime_fault}")
    else:
        yield from _line("it runs on", ", ".join(software.providers))
    for gpu in software.gpus or (f"none is known: {software.gpu_fault}",):
        yield from _line("GPU", gpu)


def _missing(software: Software) -> Iterator[str]:
    for extra in software.missing:
        yield from _line(extra.name, f"{extra.brings}: {extra.line}")


def _place(place: Place) -> Iterator[str]:
    if place.path is None:
        yield from _line(place.what, place.fault or "")
        return
    named = "" if place.variable is None else f" ({place.variable}{_set(place)})"
    free = "" if place.free is None else f", {_size(place.free)} free"
    yield from _line(place.what, f"{place.path}{named}{free}")


def _set(place: Place) -> str:
    return "" if place.is_set else " is not set"


def _latencies(report: Report) -> Iterator[str]:
    for one in report.latencies or ():
        if one.work is None:
            yield from _line(one.graph, f"not timed: {one.fault}")
            continue
        yield from _latency(one)
        if why := (report.why or {}).get(one.graph):
            yield from _line("", f"why: {why}")
    if not report.latencies:
        yield from _line("", "not timed: there is no onnxruntime")


def _latency(one: Latency) -> Iterator[str]:
    assert one.work is not None, "it ran"
    yield from _line(
        one.graph,
        f"measured {one.measured_ms:.2f} ms, predicted {one.predicted_ms:.2f} ms by {one.bound}: "
        f"{one.ratio:.1f} times; {one.query_ms:.2f} ms from {one.takes} to embedding",
    )
    yield from _line(
        "",
        f"reads {one.work.weight_bytes / 1e6:.1f} MB of weights, {one.work.macs / 1e6:,.0f} "
        f"million multiplications ({one.feeds}); median of {one.queries}",
    )


def _troubles(troubles: Sequence[Trouble]) -> Iterator[str]:
    if not troubles:
        yield from _line("", "none is known")
    for one in troubles:
        yield from _line("BROKEN" if one.broken else "note", one.what)
        yield f"  {'':<{_INDENT}}{one.fix}"  # on one line, to be copied


def _line(name: str, text: str) -> Iterator[str]:
    """Yield a name and a text beside it, which goes on below itself."""
    lines = wrap(text, _WIDTH - _INDENT - 2, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines or [""]):
        shown = name if number == 0 else ""
        if len(shown) > _INDENT - 1:
            yield f"  {shown}"
            shown = ""
        yield f"  {shown:<{_INDENT}}{line}".rstrip()


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
