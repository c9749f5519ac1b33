"""The two graphs that search a gallery on a device, by float16 products and by float32 ones.

    asked (B, D) float16 ─┐
    half (N', D) float16 ─┴ Gemm ─ (B, N') ─ TopK of each group ─ TopK of all of these ─ rows, near
    full (N', D) float32 ── Gather rows ── (B, wide, D) ── MatMul with queries (B, D, 1) ── scores

TopK on CUDA has one block of threads for a row, so that a row of a million scores would occupy a
hundredth of the device: the best of each group of scores are taken first, and then the best of
these, which are the best of all.
"""

from __future__ import annotations

from zscr.infer.runners.written_graph import FLOAT, FLOAT16, INT64, node, write_graph

_ASKED = {"asked": (FLOAT16, "BD"), "half": (FLOAT16, "ND")}
_QUERIES = {"queries": (FLOAT, "BD"), "full": (FLOAT, "ND")}
# What a row of scores is split into, [0, groups, size]; the number of each group's first row,
# (1, groups, 1); and how many are taken of a group and of all.
_SIZES = {
    "grid": (INT64, "3"),
    "starts": (INT64, "1G1"),
    "first": (INT64, "1"),
    "wide": (INT64, "1"),
}
_ROWS = {"rows": (INT64, "BC")}
_CONSTANTS = {"flat": [0, -1], "last": [2]}
_SCORED = [
    node("Gather", "full rows", "found"),
    node("Unsqueeze", "queries last", "columns"),
    node("MatMul", "found columns", "products"),
    node("Squeeze", "products last", "scores"),
]


def _best(scores: str) -> list[bytes]:
    """Return the nodes that take the best of all products: their rows and scores (B, wide)."""
    return [
        node("Reshape", "products_of_all grid", "grouped"),
        node("TopK", "grouped first", "best places"),
        node("Add", "places starts", "numbers"),
        node("Reshape", "best flat", "best_of_groups"),
        node("Reshape", "numbers flat", "rows_of_groups"),
        node("TopK", "best_of_groups wide", f"{scores} where"),
        node("GatherElements", "rows_of_groups where", "rows", axis=1),
    ]


def by_half() -> bytes:
    """Return the graph whose products are float16, and that scores the best again in float32."""
    nodes = [node("Gemm", "asked half", "products_of_all", transB=1), *_best("near"), *_SCORED]
    outputs = _ROWS | {"near": (FLOAT16, "BC"), "scores": (FLOAT, "BC")}
    return write_graph(nodes, _ASKED | _QUERIES | _SIZES, outputs, _CONSTANTS)


def by_full() -> bytes:
    """Return the graph whose products are all float32."""
    nodes = [node("Gemm", "queries full", "products_of_all", transB=1), *_best("scores")]
    outputs = _ROWS | {"scores": (FLOAT, "BC")}
    return write_graph(nodes, _QUERIES | _SIZES, outputs, {"flat": _CONSTANTS["flat"]})
