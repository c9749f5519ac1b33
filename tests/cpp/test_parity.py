"""The same ids, scores to the last bit, notes and shares as Python, on every kind of index."""

from __future__ import annotations

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

from zscr.data.records import Query
from zscr.infer.index.index import Change, Index
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher


@pytest.fixture(scope="module", params=["exact", "hnsw", "float16"])
def pair(request, library, tmp_path_factory):
    """Open one bundle and index in C++ and Python: two segments, the second of which ends rows."""
    from bundles import entries, make_bundle, make_index, unit

    folder = tmp_path_factory.mktemp(request.param)
    bundle, kind = make_bundle(folder / "birds"), request.param
    if kind == "hnsw":
        pytest.importorskip("hnswlib", reason="needs the extra 'hnsw'")
    how = {"stored": "float16"} if kind == "float16" else {"search": kind}
    index = make_index(folder / "birds.index", bundle, 1500, **how)
    gone = [one.id for one in entries(range(0, 90, 3))]
    moved = [replace(one, attributes={"class": "new"}) for one in entries(range(1490, 1500))]
    rows = np.concatenate([unit(1500, 1)[1490:], unit(30, 2)])  # ten keep their vector and label
    index.apply(Change([*moved, *entries(range(1500, 1530))], rows, removals=gone))
    assert len(index.now.stack.segments) == 2
    assert (index.now.hnsw is not None) == (kind == "hnsw")
    if kind == "hnsw":
        assert index.now.stack.tail.count == 40  # searched beside HNSW, which has the ended rows
    return library.open(bundle), Searcher.open(bundle, runtime=Runtime(threads=1))


def asked(searcher, texts, k=10):
    """Answer texts in Python, those that nothing can be read of, too."""
    return list(searcher.answers([Query(str(n), text=t) for n, t in enumerate(texts, 1)], k))


def told(answer):
    """Return a Python answer as C tells it."""
    hits = tuple(
        (h.rank, h.id, h.score, h.class_id, h.image, h.sha256, h.above_unrelated)
        for h in answer.hits
    )
    return hits, answer.notes, answer.error, answer.nothing, answer.ran


def seen(answer):
    return answer.hits, answer.notes, answer.error, answer.nothing, answer.ran


def test_one_by_one(pair):
    """200 texts alone: ids, scores, classes, images, notes, shares, what ran, refusals."""
    from bundles import captions

    ours, theirs = pair
    for text in [*captions(196), "naïve Cafe\u0301 🐕", "", "...", "\u200b"]:
        assert seen(ours.search([text])[0]) == told(asked(theirs, [text])[0]), text


def test_in_a_batch(pair):
    """Texts of one call are padded in the same groups, which decides the last bits of a score."""
    from bundles import captions

    ours, theirs = pair
    texts = [*captions(70, seed=8), " "]
    found = list(zip(ours.search(texts, 3), asked(theirs, texts, 3), strict=True))
    assert [seen(a) for a, _ in found] == [told(b) for _, b in found]
    assert found[-1][0].error


def test_vectors(pair):
    """Vectors that were embedded elsewhere; k beyond the index; both ways of search."""
    from bundles import unit

    ours, theirs = pair
    rows = unit(20, 11)
    for k, exact in ((1, True), (10, False), (2000, False)):
        wanted = theirs.index.search(rows, k, exact=exact)
        found = ours.search_vectors(rows, k, exact=int(exact))
        assert [[h[1:3] for h in one.hits] for one in found] == [
            [(m.entry.id, m.score) for m in one] for one in wanted
        ]


def test_ef_decides_what_hnsw_finds(pair):
    """A small ef finds what Python finds with it, which is not always what is nearest."""
    from bundles import unit

    ours, theirs = pair
    if theirs.index.now.hnsw is None:
        from library import Refused

        with pytest.raises(Refused, match="ef 5 means nothing to exact search"):
            ours.search_vectors(unit(1, 1), 5, ef=5)
        return
    rows = unit(200, 12)
    found = [tuple(h[1] for h in one.hits) for one in ours.search_vectors(rows, 5, ef=5)]
    assert found == [tuple(m.entry.id for m in one) for one in theirs.index.search(rows, 5, ef=5)]
    assert found != [tuple(h[1] for h in one.hits) for one in ours.search_vectors(rows, 5, exact=1)]


def test_rows_that_are_all_but_equally_near(library, tmp_path):
    """HNSW meets them in the order of hnswlib's own sums, here of a crowd within float32's step."""
    from bundles import entries, make_bundle, make_index, unit

    pytest.importorskip("hnswlib", reason="needs the extra 'hnsw'")
    bundle = make_bundle(tmp_path / "b", "clip")
    own = make_index(tmp_path / "own.index", bundle, 10)
    rows, asked = (unit(1, 4) + 1e-3 * unit(count, seed) for count, seed in ((2000, 5), (200, 6)))
    rows, asked = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (rows, asked))
    index = Index.create(
        tmp_path / "crowd",
        space=own.space,
        bundle_name=own.bundle_name,
        entries=entries(range(2000)),
        vectors=rows,
        search="hnsw",
    )
    found = library.open(bundle, index.folder).search_vectors(asked)
    wanted = index.search(asked, 10)
    assert [[h[1] for h in one.hits] for one in found] == [[m.entry.id for m in o] for o in wanted]


def test_embedding_is_that_of_python(pair):
    """`zscr_embed` gives the graph's own row, of the text in normal form C."""
    ours, theirs = pair
    text = "cafe\u0301 on a beach"
    row = theirs.bundle.graph("text").encode([Query("1", text=unicodedata.normalize("NFC", text))])
    assert np.array_equal(np.array(ours.embed(40, text=text.encode()), np.float32), row[0])


@pytest.mark.parametrize("kind", ["clip", "own", "words"])
def test_other_tokenizers(kind, library, tmp_path):
    """BPE of both kinds and whole words, without a mask and padded to a fixed length."""
    from bundles import captions, make_bundle, make_index

    if kind in ("own", "words"):
        pytest.importorskip("torch", reason="needs the extra 'train'")
    more = {"mask": False, "pad_to": 16} if kind == "clip" else {}
    bundle = make_bundle(tmp_path / "b", kind, **more)
    make_index(tmp_path / "b.index", bundle, 50)
    ours, theirs = library.open(bundle), Searcher.open(bundle, runtime=Runtime(threads=1))
    texts = [*captions(40), "Größe 🐕 naïve", "zyx qwv", "'s"]
    for a, b in zip(ours.search(texts), asked(theirs, texts), strict=True):
        assert seen(a) == told(b)


def test_a_commit_is_followed(library, tmp_path):
    """An open handle goes on with what a writer has committed, unless it is to stay."""
    from bundles import entries, make_bundle, make_index, unit

    bundle = make_bundle(tmp_path / "b")
    index = make_index(tmp_path / "b.index", bundle, 30)
    follows, stays = library.open(bundle), library.open(bundle, keep_generation=1)
    row = unit(1, 99)
    index.apply(Change(entries([77]), row, removals=[entries([0])[0].id]))
    assert follows.search_vectors(row, 1)[0].hits[0][1] == "ü/77.jpg"
    assert follows.generation == stays.generation + 1 == Index.open(index.folder).generation
    assert stays.search_vectors(row, 1)[0].hits[0][1] != "ü/77.jpg"
    (tmp_path / "b.index" / "manifest.json").write_text("{}")
    [told_so] = follows.search_vectors(row, 1)
    assert told_so.hits[0][1] == "ü/77.jpg"
    assert "answered from generation 2: " in told_so.notes[0]


def test_threads_share_a_handle(pair):
    """Eight threads search with one handle, by both functions: each gets what it asked for."""
    from bundles import captions, unit

    ours, _ = pair
    texts, rows = captions(64), unit(64, 5)
    by_text = [one.hits for one in ours.search(texts)]
    by_vector = [one.hits for one in ours.search_vectors(rows)]

    def asked(turn):
        order = np.roll(np.arange(64), 7 * turn)
        found = ours.search_vectors(np.ascontiguousarray(rows[order]))
        return [one.hits for one in found] == [by_vector[n] for n in order]

    with ThreadPoolExecutor(8) as pool:
        told = pool.map(lambda _: [one.hits for one in ours.search(texts)], range(8))
        assert all(pool.map(asked, range(32)))
        assert [*told] == [by_text] * 8


def test_a_segment_of_several_blocks(library, tmp_path):
    """Each 4 MiB is proved by its own hash: what lies in a sound block is found, and no more."""
    from bundles import make_bundle, make_index, unit
    from library import Refused

    bundle = make_bundle(tmp_path / "b", "clip")
    index = make_index(tmp_path / "b.index", bundle, 26_500, search="exact")
    assert (index.folder / "blocks.1.npy").is_file()
    rows = unit(5, 6)
    wanted = [[(m.entry.id, m.score) for m in one] for one in index.search(rows, 10)]
    found = library.open(bundle).search_vectors(rows)
    assert [[h[1:3] for h in one.hits] for one in found] == wanted
    path = index.folder / "segment.1.safetensors"
    raw = bytearray(path.read_bytes())
    raw[(4 << 20) + 7] ^= 1
    path.write_bytes(raw)
    opened = library.open(bundle)  # which looks at what stands before and behind
    with pytest.raises(Refused, match="its block 1 of 4 MiB has not the sha256"):
        opened.search_vectors(rows)
