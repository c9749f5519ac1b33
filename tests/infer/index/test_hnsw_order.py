"""HNSW's nodes in the order of a walk: another file of the same graph."""

from __future__ import annotations

import hnswlib
import numpy as np

from zscr.infer.index.choice import EF_CONSTRUCTION, M
from zscr.infer.index.hnsw_file import check_hnsw_file, parts_of
from zscr.infer.index.hnsw_order import depth_first, reordered

COUNT, DIM = 3000, 24  # nodes on four levels


def built(gallery, path):
    """Return what hnswlib writes of a gallery, whose labels count down from 2 N."""
    index = hnswlib.Index(space="ip", dim=DIM)
    index.init_index(COUNT, M, EF_CONSTRUCTION)
    index.add_items(gallery, 2 * COUNT - np.arange(COUNT), num_threads=1)
    index.save_index(str(path))
    return memoryview(path.read_bytes())


def reorder(content):
    """Return the whole file in the better order."""
    return memoryview(b"".join(reordered(content, DIM, M, EF_CONSTRUCTION)))


def links(content):
    """Return who is linked with whom on which level, by labels, in the order of the lists."""
    parts = parts_of(content, DIM, M, EF_CONSTRUCTION)
    label, count = parts.nodes["label"], parts.nodes["links"]
    rows = enumerate(zip(count, parts.nodes["ids"], strict=True))
    found = {(int(label[node]), 0): label[ids[:many]].tolist() for node, (many, ids) in rows}
    for many, node, level, *ids in parts.lists.tolist():
        found[int(label[node]), level] = label[ids[:many]].tolist()
    return found


def test_it_is_the_same_graph(clustered, tmp_path):
    """All links on all levels, the entry point, vectors; hnswlib answers from it as from its own.

    A second time changes nothing.
    """
    gallery, queries = clustered(COUNT, DIM), clustered(50, DIM, seed=1)
    before = built(gallery, tmp_path / "before")
    after = reorder(before)
    assert after != before
    assert reorder(after) == after
    assert len({level for _, level in links(before)}) >= 3
    assert links(after) == links(before)
    check_hnsw_file(
        after,
        DIM,
        lambda labels: (np.arange(len(labels)), gallery[2 * COUNT - labels]),
        M,
        EF_CONSTRUCTION,
    )
    entries = [
        parts.nodes["label"][parts.header["entry_point"]]
        for parts in (parts_of(one, DIM, M, EF_CONSTRUCTION) for one in (before, after))
    ]
    assert entries[0] == entries[1]
    (tmp_path / "after").write_bytes(after)
    answers = []
    for name in ("before", "after"):
        index = hnswlib.Index(space="ip", dim=DIM)
        index.load_index(str(tmp_path / name))
        index.set_ef(20)
        answers.append(index.knn_query(queries, 10, num_threads=1)[0])
    np.testing.assert_array_equal(*answers)


def test_a_walk_by_hand():
    """From 2 to its first link 4, on to 1, whose links are used up, back to 0; 3 is not reached.

    Numbers behind the count of a node's links are none.
    """
    ids = np.array([[2, 9, 9], [2, 4, 9], [4, 1, 0], [0, 9, 9], [1, 2, 9]], np.uint32)
    counts = np.array([1, 2, 3, 1, 2], np.uint16)
    assert depth_first(ids, counts, 2).tolist() == [2, 4, 1, 0, 3]
