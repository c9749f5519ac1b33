"""Why a graph takes much longer than predicted, or less long, in one sentence."""

from __future__ import annotations

from zscr.infer.doctor.latency import Latency
from zscr.infer.doctor.speed import Speed

_FAR, _FASTER = 2.5, 0.8  # ratios of measured to predicted from which there is something to say
_SMALL_MS = 1.0  # a prediction in which the overhead of operators is no small part


def explained(latency: Latency, speed: Speed, load: float, cache: int | None) -> str | None:
    """Return what a ratio that is far off comes from, of what is known; None of one that is not.

    Args:
        latency: of a graph that ran.
        speed: that the prediction is of.
        load: processes that wanted a core in the last minute, on average.
        cache: bytes of the processor's largest cache; None where not told.
    """
    assert latency.work is not None, "it ran"
    ratio, missed = latency.ratio, latency.work.uncounted
    if missed:
        return f"{', '.join(missed)} in the graph is not counted, so the prediction is too low"
    if ratio > _FAR:
        return _slower(latency, speed, load)
    if ratio < _FASTER:
        return _faster(latency, cache)
    return None


def _slower(latency: Latency, speed: Speed, load: float) -> str:
    if load > speed.threads + 1:
        return (
            f"the machine is busy (load {load:.1f} on {speed.threads} threads), and a median "
            f"suffers from that more than the best pass that the peaks are of"
        )
    if latency.predicted_ms < _SMALL_MS:
        return (
            f"there is little to read and to compute: starting {latency.operators} operators, "
            f"some on several threads, is what takes the time"
        )
    return (
        f"{latency.operators} operators also read and write activations, and their matrices are "
        f"smaller than those that the peak was measured with"
    )


def _faster(latency: Latency, cache: int | None) -> str:
    assert latency.work is not None, "it ran"
    if latency.bound == "memory" and cache and latency.work.weight_bytes < cache:
        return (
            f"the weights ({latency.work.weight_bytes / 1e6:.1f} MB) stay in a cache of "
            f"{cache / 1e6:.0f} MB, so memory is not read"
        )
    return (
        "products in int8 or bf16 are faster than the fp32 peak, or the peaks were measured while "
        "the machine was busy: run it again"
    )
