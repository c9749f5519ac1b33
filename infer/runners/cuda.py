"""Sessions on CUDA: in full fp32, recorded where the graph allows it, and with no work on the CPU.

onnxruntime gives a node that CUDA has no kernel for to the CPU without a word, and copies there and
back in every run; it is refused here, with the node's name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zscr.errors import ConfigError
from zscr.infer.runners.backend import device_name
from zscr.infer.runners.bound import BoundGraph
from zscr.infer.runners.cuda_device import IN_USE

PROVIDER, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"

OPTIONS = {
    "device_id": "0",
    "use_tf32": "0",  # it rounds factors to 10 bits of mantissa; answers are those of the CPU
    "cudnn_conv_algo_search": "HEURISTIC",  # trying them all takes seconds for each shape
    "arena_extend_strategy": "kSameAsRequested",
}
# What computes the sizes of tensors, a few whole numbers, belongs on the host: kernels are launched
# from there. onnxruntime leaves these on the CPU where nothing else depends on them.
_OF_SIZES = frozenset(
    "Shape Size Gather Concat Slice Split Squeeze Unsqueeze Cast Identity Reshape Expand Range "
    "Tile ConstantOfShape Constant Where Equal Less LessOrEqual Greater GreaterOrEqual Not And Or "
    "Neg Abs Min Max Add Sub Mul Div Mod ReduceProd ReduceSum ReduceMin ReduceMax".split()
)
_UNFIT = "graph capture"  # onnxruntime's words where a graph cannot be recorded


def open_on_cuda(ort: Any, path: Path, options: Any) -> tuple[BoundGraph, str]:
    """Open a graph; return what runs it, and how in words.

    Args:
        ort: the module onnxruntime; options: of the session.

    Raises:
        ConfigError: a node of the graph would run on the CPU.
        Exception: onnxruntime's, where it cannot be opened.
    """
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    recorded = True
    try:
        session = _session(ort, path, options, recorded)
    except ort.capi.onnxruntime_pybind11_state.Fail as error:
        if _UNFIT not in str(error):
            raise
        recorded = False
        session = _session(ort, path, options, recorded)
    _refuse_cpu(path.name, session)
    how = "CUDA graphs" if recorded else "without CUDA graphs"
    bound = BoundGraph(ort, session, "cuda", recorded=recorded)
    return bound, f"cuda ({device_name()}), {how}"


def open_unrecorded(ort: Any, graph: bytes, name: str, options: Any) -> Any:
    """Return a session of a graph that is at hand, whose sizes are others with every run.

    Args:
        ort: the module onnxruntime; name: of the graph; options: of the session.

    Raises:
        ConfigError: a node of the graph would run on the CPU.
        Exception: onnxruntime's, where it cannot be opened.
    """
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.enable_mem_pattern = False  # it would plan for the sizes of the run before
    session = _session(ort, graph, options, recorded=False)
    _refuse_cpu(name, session)
    return session


def _session(ort: Any, graph: Path | bytes, options: Any, recorded: bool) -> Any:
    given = OPTIONS | {"enable_cuda_graph": str(int(recorded))}
    with IN_USE:
        return ort.InferenceSession(graph, options, [(PROVIDER, given)], enable_fallback=0)


def _refuse_cpu(name: str, session: Any) -> None:
    if session.get_providers()[0] != PROVIDER:
        raise ConfigError(
            f"{name} runs on {session.get_providers()[0]} where CUDA was asked for; run 'zscr "
            f"doctor', or use --backend ort-cpu"
        )
    strangers = strangers_of(session)
    if strangers:
        raise ConfigError(
            f"CUDA has no kernel for {len(strangers)} nodes of {name}, which would run on the "
            f"CPU: {', '.join(strangers[:3])}; use --backend ort-cpu"
        )


def strangers_of(session: Any) -> list[str]:
    """Return the nodes that run on the CPU and do more than compute sizes: `name (operator)`."""
    return [
        f"{node.name} ({node.op_type})"
        for part in session.get_provider_graph_assignment_info()
        if part.ep_name == _CPU
        for node in part.get_nodes()
        if node.op_type not in _OF_SIZES
    ]
