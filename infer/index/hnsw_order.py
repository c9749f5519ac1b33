"""The order of HNSW's nodes in its file: a node's neighbours lie near it, as a search reads them.

hnswlib keeps nodes in memory as they lie in its file, in the order of their insertion, so that
every step of a search reads at a random place. Here nodes are numbered anew, depth first from the
entry point: a node is followed by the first of its links that has no number yet. Links, levels and
labels stay what they are, so the same nodes are visited; among equally near ones, others may be
kept. `benchmarks/index_search.py` shows what it gains; Coleman et al. (arXiv:2104.03221) compare
more such orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.infer.index.hnsw_file import Parts, parts_of

_BLOCK = 1 << 12  # nodes that are copied at once
Order = npt.NDArray[np.int64]


def reordered(content: memoryview, dim: int, m: int, ef_construction: int) -> Iterator[bytes]:
    """Yield, in parts, the file `content` of hnswlib with its nodes in the better order."""
    parts = parts_of(content, dim, m, ef_construction)
    order = depth_first(parts.nodes["ids"], parts.nodes["links"], int(parts.header["entry_point"]))
    numbers = np.empty(len(order), np.uint32)
    numbers[order] = np.arange(len(order), dtype=np.uint32)
    header = parts.header.copy()
    header["entry_point"] = numbers[header["entry_point"]]
    yield header.tobytes()
    for start in range(0, len(order), _BLOCK):
        nodes = parts.nodes[order[start : start + _BLOCK]]
        nodes["ids"] = _renumbered(nodes["ids"], nodes["links"], numbers)
        yield nodes.tobytes()
    yield _upper(parts, order, numbers).tobytes()


def depth_first(ids: npt.NDArray[np.uint32], counts: npt.NDArray[np.uint16], entry: int) -> Order:
    """Return the nodes (N,) in the order in which a walk from `entry` first comes to each.

    Args:
        ids: (N, 2M) the links of each node, of which `counts` (N,) are some.
        entry: the node to begin at; nodes that cannot be reached come last, in their own order.
    """
    order, waiting, seen = list[int](), [entry], bytearray(len(ids))
    while waiting:
        node = waiting.pop()
        if not seen[node]:
            seen[node] = 1
            order.append(node)
            waiting += [one for one in ids[node, : counts[node]][::-1].tolist() if not seen[one]]
    unreached = np.flatnonzero(np.frombuffer(seen, np.uint8) == 0)
    return np.concatenate([np.array(order, np.int64), unreached])


def _renumbered(ids: Any, counts: Any, numbers: npt.NDArray[np.uint32]) -> Any:
    """Return lists of links (L, M) by the nodes' new numbers; what lies behind them is kept."""
    used = np.arange(ids.shape[1]) < counts[:, None]
    return np.where(used, numbers[np.where(used, ids, 0)], ids)


def _upper(parts: Parts, order: Order, numbers: npt.NDArray[np.uint32]) -> Any:
    """Return the levels above 0 of all nodes (W,), renumbered and in their new order."""
    words, block = parts.words.copy(), 1 + parts.shape.m
    places = parts.starts[:, None] + np.arange(1, block)
    words[places] = _renumbered(parts.lists[:, 3:], parts.lists[:, 0], numbers)
    sizes = 1 + parts.levels * block
    first = np.cumsum(sizes) - sizes
    moved = sizes[order]
    skipped = first[order] - (np.cumsum(moved) - moved)
    return words[np.repeat(skipped, moved) + np.arange(len(words))]
