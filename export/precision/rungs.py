"""The precisions that a graph can be exported in, from most bits to fewest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import onnx
from onnx import TensorProto

from zscr.errors import ConfigError
from zscr.export.precision.dynamic import in_dynamic_int8
from zscr.export.precision.halves import in_halves
from zscr.export.precision.integers import in_integers
from zscr.infer.precision import PLAIN
from zscr.infer.runners.runner import OPENVINO, ORT_CPU

_INT8 = frozenset({"avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm"})
_BY_ROW = frozenset({ORT_CPU})  # OpenVINO rounds what flows in 8 bits by scales that rows share


@dataclass(frozen=True)
class Rung:
    """One precision.

    Attributes:
        about: what is held and computed in it.
        make: returns a graph of fp32 in it.
        instructions: that make it fast, as /proc/cpuinfo calls them.
        alone: the backends in which a row's answer does not depend on the rows that it is computed
            with.
    """

    about: str
    make: Callable[[onnx.ModelProto], onnx.ModelProto]
    instructions: frozenset[str]
    alone: frozenset[str] = frozenset({ORT_CPU, OPENVINO})


RUNGS = {
    "fp16": Rung(
        "products and tables of words in float16",
        partial(in_halves, kind=TensorProto.FLOAT16),
        frozenset({"avx512_fp16", "asimdhp"}),
    ),
    "bf16": Rung(
        "products and tables of words in bfloat16",
        partial(in_halves, kind=TensorProto.BFLOAT16),
        frozenset({"avx512_bf16", "amx_bf16", "bf16"}),
    ),
    "int8": Rung(
        "weights of 8 bits, tables of words in float16",
        partial(in_integers, bits=8),
        _INT8,
        alone=_BY_ROW,
    ),
    "int4": Rung(
        "weights of 4 bits, tables of words in float16",
        partial(in_integers, bits=4),
        _INT8,
        alone=_BY_ROW,
    ),
    "int8-dynamic": Rung(
        "weights and what flows in int8, a scale a batch",
        in_dynamic_int8,
        _INT8,
        alone=frozenset(),
    ),
}
ALL = "all"


def rungs_of(names: Iterable[str]) -> list[str]:
    """Return the rungs that are named, each once, from most bits to fewest; fp32 is always there.

    Raises:
        ConfigError: one is unknown.
    """
    asked = set(names)
    if unknown := sorted(asked - {PLAIN, ALL, *RUNGS}):
        raise ConfigError(
            f"precision '{unknown[0]}' is unknown; use one of {', '.join([PLAIN, *RUNGS, ALL])}"
        )
    return [name for name in RUNGS if name in asked or ALL in asked]
