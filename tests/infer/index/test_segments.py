"""Rows that lie in segments: after any history they are those of a new index, and cost no more."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.infer.index.conftest import SPACE, stacked, unit
from zscr.blocks import BLOCK
from zscr.errors import ArtefactError
from zscr.infer.index.approximate import search_hnsw
from zscr.infer.index.column import Column
from zscr.infer.index.committing import commit
from zscr.infer.index.entries import Entries
from zscr.infer.index.exact import search_exact
from zscr.infer.index.hnsw_of import build_hnsw
from zscr.infer.index.index import Change, Entry, Index
from zscr.infer.index.merging import compacted, merged_if_many
from zscr.infer.index.segment import keys_of, new_segment
from zscr.infer.index.stack import NOTHING, Stack
from zscr.infer.index.upkeep.verify import verify_index

NAMES = st.sampled_from([f"{number}" for number in range(12)])
STEP = st.tuples(st.dictionaries(NAMES, st.integers(0, 2), max_size=6), st.sets(NAMES, max_size=4))


@settings(max_examples=40)
@given(st.lists(STEP, min_size=1, max_size=14), st.sampled_from([None, "hnsw"]))
def test_any_history_is_that_of_a_dict(tmp_path_factory, entry, embed, create, steps, search):
    """Upserts and removals in one commit, over so many that segments are merged."""
    folder = tmp_path_factory.mktemp("history") / "index"
    model = {"first": entry("first")}
    create(folder, model.values(), search=search)
    for arrivals, gone in steps:
        arrived = [entry(name, version) for name, version in arrivals.items()]
        removals = [name for name in gone if name in model and name not in arrivals]
        Index.open(folder).apply(Change(arrived, embed(arrived), removals=removals))
        for name in removals:
            del model[name]
        for one in arrived:
            if model.get(one.id) != one:
                model.pop(one.id, None)
                model[one.id] = one
    index, wanted = Index.open(folder), embed(model.values())
    assert index.entries == tuple(model.values())
    assert [index.entries[row] for row in range(len(model))] == [*model.values()]
    np.testing.assert_array_equal(index.vectors, wanted)
    np.testing.assert_array_equal(index.vectors[::-1], wanted[::-1])
    queries = embed([entry(f"query {number}") for number in range(3)])
    truth = search_exact(wanted, queries, 5)
    found = index.search(queries, 5, ef=50 if search else None)
    ids = [*model]
    assert [[m.entry.id for m in own] for own in found] == [
        [ids[row] for row in own] for own in truth.rows
    ]
    assert len(index.now.stack.segments) < 16
    labels = index.now.stack.labels(np.arange(index.count))
    assert len({*labels.tolist()}) == index.count
    assert verify_index(folder).self_recall == 1


def test_a_commit_writes_what_changes(tmp_path, entries, entry, embed, create):
    """No file of before is written again, and a label stays with its vector."""
    create(tmp_path / "index", entries)
    first = tmp_path / "index/segment.1.safetensors"
    before = os.stat(first)
    index = Index.open(tmp_path / "index")
    labels = index.now.stack.labels(np.arange(60))
    renamed = Entry(entries[3].id, entries[3].sha256, "elsewhere.png")
    moved = Entry("new name", entries[5].sha256)
    change = Change(
        [entry("late"), renamed, moved],
        embed([entry("late"), renamed, moved]),
        removals=[entries[5].id, entries[9].id],
    )
    report = index.apply(change)
    assert (report.added, report.replaced, report.moved, report.removed) == (1, 1, 1, 1)
    assert os.stat(first) == before
    late = tmp_path / "index/segment.2.safetensors"
    assert late.stat().st_size < first.stat().st_size / 3
    assert [*Index.open(tmp_path / "index").entries[-3:]] == [entry("late"), renamed, moved]
    after = index.now.stack.labels(np.arange(60))
    np.testing.assert_array_equal(after[-3:], [60, labels[3], labels[5]])
    np.testing.assert_array_equal(after[:57], np.delete(labels, [3, 5, 9]))


@pytest.mark.parametrize("search", ["exact", "hnsw"])
def test_rows_that_hnsw_has_not_are_found_beside_it(clustered, search):
    """And rows that are gone are not, whether they were in it or came later; ties go by row."""
    vectors, late = clustered(400, 8), clustered(60, 8, seed=1)
    late[7] = vectors[50]  # a twin
    old = stacked(vectors, in_hnsw=True)
    hnsw = build_hnsw(old, threads=1)
    gone = np.array([3, 5, 50, 399, 401])
    ids = [f"late {number}" for number in range(60)]
    lines = [b"{}\n"] * 60
    more = new_segment(2, 400 + np.arange(60), {"vectors": late}, lines, keys_of(ids), NOTHING)
    less = new_segment(3, NOTHING, {"vectors": late[:0]}, [], NOTHING, gone)
    stack = Stack.of([*old.segments, more, less])
    hnsw.hide(gone)
    everything = np.delete(np.vstack([vectors, late]), gone, axis=0)
    np.testing.assert_array_equal(Column(stack, "vectors"), everything)
    queries = np.vstack([clustered(20, 8, seed=2), vectors[50:51]])
    truth = search_exact(everything, queries, 10)
    if search == "exact":
        found = search_exact(Column(stack, "vectors"), queries, 10)
    else:
        found = search_hnsw(Column(stack, "vectors"), hnsw, queries, 10, 400)
    np.testing.assert_array_equal(found.rows, truth.rows)
    np.testing.assert_array_equal(found.scores, truth.scores)
    np.testing.assert_array_equal(stack.rows_of_labels(gone), -1)


def test_a_writer_goes_on_without_what_it_removed(tmp_path, clustered, entry):
    """HNSW in memory would find the ten that are gone, and late images stand for them."""
    vectors, query = clustered(1000, 24), clustered(1, 24, seed=7)
    about = {"space": SPACE, "bundle_name": "b", "search": "hnsw"}
    entries = [entry(f"{number}") for number in range(len(vectors))]
    index = Index.create(tmp_path / "index", entries=entries, vectors=vectors, **about)
    [best] = index.search(query, 10, ef=200)
    late, away = [entry(f"late {number}") for number in range(20)], np.repeat(-query, 20, 0)
    index.apply(Change(late, away, removals=[one.entry.id for one in best]))
    [found], [wanted] = index.search(query, 10, ef=200), index.search(query, 10, exact=True)
    assert [one.entry.id for one in found] == [one.entry.id for one in wanted]


def test_merging_keeps_rows_labels_and_what_is_ended(clustered):
    """Eight small segments become one, which still ends rows of those before it."""
    rows = clustered(40, 8)
    stack = stacked(rows[:32], in_hnsw=True)
    for number in range(8):
        at = 32 + number
        ended = np.array([number, at - 1]) if number else np.array([number])
        segment = new_segment(
            at,
            np.array([at]),
            {"vectors": rows[at:][:1]},
            [b"%d\n" % at],
            keys_of([f"{at}"]),
            ended,
        )
        stack = stack.with_segment(segment)
    merged = merged_if_many(stack, 99)
    assert [len(one.segments) for one in (stack, merged)] == [9, 2]
    for after in (merged, compacted(stack, 99)):
        assert after.count == stack.count == 25
        everything = np.arange(25)
        np.testing.assert_array_equal(after.labels(everything), stack.labels(everything))
        np.testing.assert_array_equal(Column(after, "vectors"), Column(stack, "vectors"))
        assert after.lines(everything) == stack.lines(everything)
        assert [*after.candidates(["39", "31", "0"])] == [(1, 23), (0, 24)]
    assert [one.count for one in compacted(stack, 99).segments] == [24, 1]


def test_small_commits_leave_a_large_segment_alone(tmp_path, entries, entry, embed, create):
    """However many they are: those of their size are merged, and it is not written again."""
    index = create(tmp_path / "index", [*entries, *(entry(f"{number}") for number in range(40))])
    before = os.stat(tmp_path / "index/segment.1.safetensors")
    for number in range(20):
        late = [entry(f"late {number}")]
        index.apply(Change(late, embed(late)))
        assert len(index.now.stack.segments) <= 16
    assert os.stat(tmp_path / "index/segment.1.safetensors") == before
    assert [one.count for one in index.now.stack.segments] == [100, 8, 8, 1, 1, 1, 1]


def test_ids_of_the_same_key_are_told_apart(clustered):
    """A key is the beginning of a hash, and two ids may share it."""
    lines = [b'{"id": "a", "sha256": "0"}\n', b'{"id": "b", "sha256": "0"}\n']
    keys = np.repeat(keys_of(["a"]), 2)
    rows = {"vectors": clustered(2, 8)}
    stack = Stack.of([new_segment(1, np.arange(2), rows, lines, keys, NOTHING)])
    assert Entries(stack, ()).find(["a", "b"]) == {"a": 0}
    other = [lines[1], lines[0]]
    stack = Stack.of([new_segment(1, np.arange(2), rows, other, keys, NOTHING)])
    assert Entries(stack, ()).find(["a", "c"]) == {"a": 1}


def test_half_the_bytes(tmp_path, clustered, entry):
    """float16 is what is stored, also of what comes later; scores are its own, to 1e-3."""
    vectors, more = clustered(300, 64), clustered(9, 64, seed=1)
    entries = [entry(f"{number}") for number in range(309)]
    about = {"space": SPACE, "bundle_name": "b", "search": "hnsw"}
    sizes = {}
    for stored in ("float32", "float16"):
        folder = tmp_path / stored
        first = {"entries": entries[:300], "vectors": vectors}
        Index.create(folder, **about, **first, stored=stored)
        index = Index.open(folder)
        index.apply(Change(entries[300:], more))
        sizes[stored] = (folder / "segment.1.safetensors").stat().st_size
        assert Index.open(folder).vectors.dtype == stored
        found = Index.open(folder).search(more, 1, ef=300)
        assert [best.entry for [best] in found] == entries[300:]
        held = np.asarray(Index.open(folder).vectors[300:], np.float64)
        scores = [best.score for [best] in found]
        np.testing.assert_allclose(scores, (held * more).sum(axis=1), atol=1e-7)
    assert sizes["float32"] - sizes["float16"] == 300 * 64 * 2


def test_what_is_not_used_is_not_read(tmp_path):
    """A damaged block stops the search that needs it, and no other; to prove it finds it."""
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(3 * BLOCK // 2048, 512)))  # 12 MiB
    entries = [Entry(f"{number}", "0") for number in range(len(vectors))]
    folder = tmp_path / "index"
    Index.create(folder, space=SPACE, bundle_name="b", entries=entries, vectors=vectors)
    path = folder / "segment.1.safetensors"
    with path.open("r+b") as file:
        file.seek(2 * BLOCK + 100)
        held = file.read(1)
        file.seek(2 * BLOCK + 100)
        file.write(bytes([held[0] ^ 8]))
    index = Index.open(folder)
    np.testing.assert_array_equal(index.vectors[:9], vectors[:9])
    assert index.entries[5].id == "5"
    with pytest.raises(ArtefactError, match="damaged: its block 2 of 4 MiB"):
        index.search(vectors[:1], 1)
    with pytest.raises(ArtefactError, match="damaged: its block 2 of 4 MiB"):
        Index.open(folder).prove()


def test_a_commit_that_would_lose_images_is_refused(tmp_path, entries, create):
    """Whatever the reason: fewer may be left only by what was asked to go."""
    index = create(tmp_path / "index", entries)
    segments = index.now.stack.segments
    fewer = replace(index.now, number=2, stack=Stack(segments, (np.arange(9),)))
    with pytest.raises(ArtefactError, match="60 images and would have 51, where 1 were to go"):
        commit(index._current, fewer, lost=1)
    assert Index.open(tmp_path / "index").count == 60
    commit(index._current, fewer, lost=9)
