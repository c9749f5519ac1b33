"""What hnswlib writes into a file, checked before hnswlib reads it.

hnswlib (0.8) believes its file: a link to a node that does not exist is followed and crashes the
process. Here every number that it would follow is compared with what the gallery's own vectors
say it must be; the vectors of images that are no longer there, the file alone knows. Little-endian,
without padding, N nodes in the order of their insertion:

    header  see `HEADER`
    N x     level 0: count u16, deleted u8, 0 u8, links u32 x 2M, vector f4 x dim, label u64
    N x     size u32, and for each level from 1 on: count u16, 0 u16, links u32 x M
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.infer.index.exact import Rows, Vectors

HEADER = np.dtype(
    [
        ("offset_level_0", "<u8"),
        ("max_elements", "<u8"),
        ("count", "<u8"),
        ("node_size", "<u8"),
        ("label_offset", "<u8"),
        ("vector_offset", "<u8"),
        ("max_level", "<i4"),
        ("entry_point", "<u4"),
        ("max_m", "<u8"),
        ("max_m_0", "<u8"),
        ("m", "<u8"),
        ("mult", "<f8"),  # 1 / ln(M): scales the levels that are drawn for new nodes
        ("ef_construction", "<u8"),
    ]
)

Array = npt.NDArray[Any]
_LONGEST = 1e6  # squared, of a vector; unit vectors have 1


@dataclass(frozen=True)
class Shape:
    """What an HNSW was built with: its vectors' count and dim, M and ef_construction."""

    count: int
    dim: int
    m: int
    ef_construction: int

    @property
    def node(self) -> np.dtype[Any]:
        """The layout of a node at level 0."""
        return np.dtype(
            [
                ("links", "<u2"),
                ("deleted", "<u2"),
                ("ids", "<u4", (2 * self.m,)),
                ("vector", "<f4", (self.dim,)),
                ("label", "<u8"),
            ]
        )

    @property
    def header(self) -> dict[str, float]:
        """The header's fields that follow from it."""
        node = self.node
        fields = node.fields
        assert fields is not None, "a structured dtype"
        return {
            "offset_level_0": 0,
            "count": self.count,
            "node_size": node.itemsize,
            "label_offset": fields["label"][1],
            "vector_offset": fields["vector"][1],
            "max_m": self.m,
            "max_m_0": 2 * self.m,
            "m": self.m,
            "mult": 1 / np.log(self.m),
            "ef_construction": self.ef_construction,
        }


@dataclass(frozen=True, eq=False)
class Parts:
    """What a file holds, of N nodes.

    Attributes:
        shape: what it was built with.
        header: of the fields of `HEADER`.
        nodes: (N,) at level 0: of the fields of `Shape.node`.
        words: (W,) of the levels above, as they lie in the file.
        levels: (N,) the highest level of each node.
        lists: (L, 3 + M) a row a list above level 0: its count, its node, its level, its links.
        starts: (L,) where in `words` each begins, with its count.
    """

    shape: Shape
    header: Any
    nodes: Array
    words: Array
    levels: Array
    lists: Array
    starts: Array


Known = Callable[[Rows], tuple[Rows, Vectors]]


def parts_of(content: bytearray | memoryview, dim: int, m: int, ef_construction: int) -> Parts:
    """Find the parts of a file, without a copy of its nodes; what they hold is not checked.

    Raises:
        ValueError: it is too short or too long, or a level has no size that it can have.
    """
    if len(content) < HEADER.itemsize:
        raise ValueError(f"{len(content)} bytes cannot hold a header")
    header = np.frombuffer(content, HEADER, 1)[0]
    shape = Shape(int(header["count"]), dim, m, ef_construction)
    start = HEADER.itemsize + shape.count * shape.node.itemsize
    if not shape.count or len(content) < start + 4 * shape.count or (len(content) - start) % 4:
        raise ValueError(f"{len(content)} bytes cannot hold {shape.count} nodes")
    nodes = np.frombuffer(content, shape.node, shape.count, HEADER.itemsize)
    words = np.frombuffer(content, "<u4", offset=start)
    return Parts(shape, header, nodes, words, *_upper_levels(words, shape))


def check_hnsw_file(
    content: bytearray | memoryview, dim: int, known: Known, m: int, ef_construction: int
) -> Rows:
    """Prove that hnswlib can load `content`, and search and extend what it loads.

    Args:
        content: the whole file.
        dim: of the vectors.
        known: labels (L,) -> which of them are the gallery's, (K,), and their vectors (K, dim):
            the others are of images that are no longer there.
        m, ef_construction: what it must have been built with.

    Returns:
        The labels of its nodes, in their order.

    Raises:
        ValueError: it holds something else; says what. Memory: about that of the links.
    """
    parts = parts_of(content, dim, m, ef_construction)
    nodes, levels, lists = parts.nodes, parts.levels, parts.lists
    _check_header(parts.header, parts.shape, levels)
    labels = _check_vectors(nodes, known)
    if nodes["deleted"].any():
        raise ValueError("a node is marked as deleted")
    own = np.arange(len(nodes))
    _check_links(nodes["links"], nodes["ids"], own, np.zeros_like(own), levels)
    counts, own, at_level = lists[:, 0], lists[:, 1], lists[:, 2]
    _check_links(counts, lists[:, 3:], own, at_level, levels)
    return labels


def node_count(content: bytearray | memoryview) -> int:
    """Return how many nodes a sound file has."""
    return int(np.frombuffer(content, HEADER, 1)["count"][0])


def _upper_levels(words: Array, shape: Shape) -> tuple[Array, Array, Array]:
    """Return `Parts.levels`, `Parts.lists` and `Parts.starts`."""
    block, levels = 1 + shape.m, np.zeros(shape.count, np.int64)
    filled = np.flatnonzero(words).tolist()  # between them are nodes of level 0 alone, as most are
    found: list[int] = []
    node = at = near = 0
    while True:
        near = bisect_left(filled, at, near)
        end = filled[near] if near < len(filled) else len(words)
        if node + end - at >= shape.count:
            at += shape.count - node
            break
        if end == len(words):
            raise ValueError("its upper levels end too early")
        node, at = node + end - at, end
        levels[node], rest = divmod(int(words[at]), 4 * block)
        after = at + 1 + int(levels[node]) * block
        if rest or after > len(words):
            raise ValueError("an upper level has another size than its file")
        found += range(at + 1, after, block)
        node, at = node + 1, after
    if at != len(words):
        raise ValueError("it goes on behind its last node")
    nodes = np.repeat(np.arange(shape.count), levels)
    before = np.cumsum(levels) - levels
    at_level = np.arange(len(nodes)) - before[nodes] + 1
    starts = np.array(found, np.int64)
    lists = words[starts[:, None] + np.arange(block)].astype(np.int64)
    return levels, np.column_stack([lists[:, 0], nodes, at_level, lists[:, 1:]]), starts


def _check_header(header: Any, shape: Shape, levels: Array) -> None:
    for name, wanted in shape.header.items():
        if header[name] != wanted and not (name == "mult" and np.isclose(header[name], wanted)):
            raise ValueError(f"its {name} is {header[name]}, not {wanted}")
    if not shape.count <= header["max_elements"] < 1 << 40:
        raise ValueError(f"its max_elements is {header['max_elements']}")
    entry, top = int(header["entry_point"]), int(levels.max())
    if header["max_level"] != top or entry >= shape.count or levels[entry] != top:
        raise ValueError(f"its entry point {entry} is not on its highest level {top}")


def _check_vectors(nodes: Array, known: Known) -> Rows:
    if (nodes["label"] >= 1 << 62).any() or len(np.unique(nodes["label"])) < len(nodes):
        raise ValueError("a label is there twice, or is none")
    labels: Rows = nodes["label"].astype(np.int64)
    block = 4096  # rows that are compared at once
    for start in range(0, len(nodes), block):
        held = nodes["vector"][start : start + block]
        which, vectors = known(labels[start : start + block])
        if not np.array_equal(held[which].view(np.uint32), vectors.view(np.uint32)):
            raise ValueError("its vectors are not the gallery's")
        gone = np.delete(held, which, axis=0)
        if not (np.einsum("nd,nd->n", gone, gone) < _LONGEST).all():
            raise ValueError("it holds NaN, infinity or vectors that are far from unit length")
    return labels


def _check_links(counts: Array, ids: Array, own: Array, at_level: Array, levels: Array) -> None:
    """Check lists (L, M) of links, each with its count, its node and the level that it is on."""
    if (counts > ids.shape[1]).any():
        raise ValueError(f"a node has more than {ids.shape[1]} links on a level")
    used = np.arange(ids.shape[1]) < counts[:, None]
    if (ids[used] >= len(levels)).any():
        raise ValueError("a link leads to a node that does not exist")
    if (used & (ids == own[:, None])).any():
        raise ValueError("a node is linked with itself")
    if (levels[ids[used]] < np.repeat(at_level, counts)).any():
        raise ValueError("a link leads to a level that its node is not on")
