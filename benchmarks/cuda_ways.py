"""The contenders of `cuda_query.py`: a batch by torch, onnxruntime and TensorRT, each at its best.

All of torch but `torch eager` compute attention by torch's own function (SDPA). Of those that say
nothing else the batch is on the device, and its rows stay there; `host to host`
copies the batch there and the rows back. All wait until the work is done.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from cuda_models import INPUT, OUTPUT, Model

from zscr.export.tensorrt.builder import build_engine
from zscr.infer.engines.library import find_tensorrt
from zscr.infer.engines.runner import EngineRunner
from zscr.infer.runners.backend import chosen
from zscr.infer.runners.bound import BoundGraph
from zscr.infer.runners.cuda import OPTIONS, PROVIDER, open_on_cuda
from zscr.infer.runners.onnx import OnnxRunner, import_onnxruntime, session_options
from zscr.infer.runners.runner import Runtime
from zscr.train.cuda_graph import cuda_graph

Turn = Callable[[], Any]  # the rows of a batch, a tensor or an array


@dataclass
class Section:
    """A model at one batch size.

    Attributes:
        device: of torch and of onnxruntime's device; sessions: what is opened once a model.
    """

    model: Model
    rows: int
    device: torch.device
    sessions: dict[str, Any]

    def __post_init__(self) -> None:
        self.batch = self.model.batch(self.rows)
        self.feeds = {INPUT: self.batch.numpy()}
        self.there = self.batch.to(self.device)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what is made once for all batch sizes of the model."""
        if name not in self.sessions:
            self.sessions[name] = make()
        return self.sessions[name]

    def module(self, name: str) -> torch.nn.Module:
        """Return a module of the model on the device."""
        own = getattr(self.model, name)
        moved: torch.nn.Module = self.once(
            "plain" if own is self.model.plain else name,
            lambda: copy.deepcopy(own).to(self.device),
        )
        return moved

    def done(self, rows: torch.Tensor) -> torch.Tensor:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return rows


def eager(of: Section) -> Turn:
    module = of.module("plain")
    return lambda: of.done(module(of.there))


def fused(of: Section) -> Turn:
    module = of.module("fused")
    return lambda: of.done(module(of.there))


def eager_from_host(of: Section) -> Turn:
    module = of.module("fused")
    return lambda: module(of.batch.to(of.device)).cpu()


def compiled(of: Section) -> Turn:
    torch._dynamo.reset()
    module = torch.compile(of.module("fused"), mode="reduce-overhead", dynamic=False)
    return lambda: of.done(module(of.there))


def recorded(of: Section) -> Turn:
    replay, rows = _recording(of)
    return lambda: (replay(), of.done(rows))[1]


def recorded_from_host(of: Section) -> Turn:
    replay, rows = _recording(of)
    return lambda: (of.there.copy_(of.batch), replay(), rows.cpu())[2]


def _recording(of: Section) -> tuple[Turn, torch.Tensor]:
    module = of.module("fused")
    aside = torch.cuda.Stream()
    with torch.cuda.stream(aside):  # libraries allocate and choose on the first calls
        for _ in range(3):
            module(of.there)
    torch.cuda.synchronize()
    return cuda_graph(lambda: module(of.there))


def ort_plain(of: Section) -> Turn:
    session = of.once("unrecorded", lambda: _unrecorded(of))
    return lambda: session.run([OUTPUT], of.feeds)[0]


def ort_bound(of: Section) -> Turn:
    session = of.once("unrecorded", lambda: _unrecorded(of))
    graph = BoundGraph(import_onnxruntime(), session, of.device.type, recorded=False)
    return _on_device(graph, of)


def ort_recorded(of: Section) -> Turn:
    return _on_device(_graph(of), of)


def ort_runner(of: Section) -> Turn:
    graph = _graph(of)
    return lambda: graph.run(of.feeds)[0]


def engine(of: Section) -> Turn:
    """Build an engine on this GPU, and run it as `--backend trt` does."""
    runner = of.once("engine", lambda: _engine(of))
    return lambda: runner.run(of.feeds)[OUTPUT]


def _engine(of: Section) -> EngineRunner:
    path = of.model.graph.with_suffix(".engine")
    build_engine(of.model.graph, path, targets=["current"])
    return EngineRunner(find_tensorrt(), path.read_bytes(), name=of.model.name, device="GPU")


def ort_cpu(of: Section) -> Turn:
    runner = of.once("cpu", lambda: OnnxRunner(of.model.graph, Runtime("ort-cpu")))
    return lambda: runner.run(of.feeds)[OUTPUT]


def _graph(of: Section) -> BoundGraph:
    """Open a graph as `OnnxRunner` does, whose work is all done by what this returns."""

    def opened() -> tuple[BoundGraph, str]:
        ort, runtime = import_onnxruntime(), Runtime("ort-cuda")
        chosen(runtime, ort)
        return open_on_cuda(ort, of.model.graph, session_options(runtime))

    graph: BoundGraph = of.once("runner", opened)[0]
    return graph


def _unrecorded(of: Section) -> Any:
    given = (PROVIDER, OPTIONS | {"enable_cuda_graph": "0"})
    on_gpu = of.device.type == "cuda"
    runtime = Runtime("ort-cuda" if on_gpu else "ort-cpu")
    session = import_onnxruntime().InferenceSession(
        of.model.graph,
        session_options(runtime),
        [given if on_gpu else "CPUExecutionProvider"],
        enable_fallback=0,
    )
    if on_gpu:
        assert session.get_providers()[0] == PROVIDER, session.get_providers()
    return session


def _on_device(graph: BoundGraph, of: Section) -> Turn:
    bound = graph.bound(of.feeds)
    for _ in range(3):
        bound.compute()

    def turn() -> Any:
        bound.compute()
        return bound.outputs[0]

    return turn


EVERYWHERE: Mapping[str, Callable[[Section], Turn]] = {
    "torch eager": eager,
    "torch eager, SDPA": fused,
    "torch eager, host to host": eager_from_host,
    "onnxruntime, plain run, host to host": ort_plain,
    "onnxruntime, IO binding": ort_bound,
}
ON_CUDA = {
    "torch CUDA graph": recorded,
    "torch CUDA graph, host to host": recorded_from_host,
    "zscr's runner, CUDA graph": ort_recorded,
    "zscr's runner, CUDA graph, host to host": ort_runner,
    "zscr's runner, TensorRT, host to host": engine,
}
COMPILED = {"torch.compile, reduce-overhead": compiled}
ON_CPU = {"onnxruntime on the CPU": ort_cpu}  # fp32 alone


def as_rows(found: Any) -> torch.Tensor:
    """Return rows (B, D) of any contender as unit float32 on the CPU."""
    array = found if isinstance(found, torch.Tensor | np.ndarray) else found.numpy()
    rows = torch.as_tensor(array).float().cpu()
    return torch.nn.functional.normalize(rows, dim=1)


def timed(turns: Mapping[str, Turn], seconds: float, most: int = 400) -> dict[str, Any]:
    """Ask contenders in turns; return percentiles in microseconds.

    Each is asked at least once, and then until its share of the seconds is spent.
    """
    times: dict[str, list[float]] = {name: [] for name in turns}
    share = seconds / len(turns)
    for _ in range(most):
        for name, turn in turns.items():
            if sum(times[name]) > share:
                continue
            start = time.perf_counter()
            turn()
            times[name].append(time.perf_counter() - start)
    return {name: summary(values) for name, values in times.items()}


def summary(times: list[float]) -> dict[str, Any]:
    """Return percentiles in microseconds; a 99th of at least 100 turns."""
    found: dict[str, Any] = {"p50_us": round(1e6 * statistics.median(times), 1)}
    if len(times) >= 100:
        found["p99_us"] = round(1e6 * float(np.percentile(times, 99)), 1)
    return found | {"turns": len(times)}
