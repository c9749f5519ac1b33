"""An image, or a sketch, and a text at once: Python's ids, scores, notes and refusals."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

from tests.cpp.composed_answers import INSTEAD, TOLERANCE, asked, given, told, worst
from tests.cpp.composed_fixtures import bundle as bundle
from tests.cpp.composed_fixtures import copy as copy
from tests.cpp.composed_fixtures import drawings as drawings
from tests.cpp.composed_fixtures import photos as photos
from tests.cpp.composed_fixtures import plain as plain
from tests.cpp.composed_fixtures import small as small
from zscr.data.records import Query
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher

BOTH = frozenset({"image", "text"})


@pytest.fixture(scope="module", params=["exact", "hnsw", "float16", "large"])
def pair(request: Any, library: Any, bundle: Path, tmp_path_factory: Any) -> Any:
    """Open the bundle and an index in C++ and Python; of a large one Python fuses lists."""
    from bundles import make_index

    kind = request.param
    if kind == "hnsw":
        pytest.importorskip("hnswlib", reason="needs the extra 'hnsw'")
    how = {"stored": "float16"} if kind == "float16" else {}
    how |= {"search": kind} if kind == "hnsw" else {}
    index = tmp_path_factory.mktemp(kind) / "index"
    make_index(index, bundle, 6000 if kind == "large" else 1200, **how)
    return library.open(bundle, index), Searcher.open(bundle, index, Runtime(threads=1))


@pytest.mark.parametrize("field", ["image", "sketch"])
def test_every_composition(pair: Any, photos: list[Path], drawings: list[Path], field: str) -> None:
    """By name, and by default, with and without what the text replaces, 20 queries each.

    Scores of one vector, of products and of the graph are equal to the last bit.
    """
    from bundles import captions

    texts, seen = captions(20), drawings if field == "sketch" else photos
    ways = [None, *pair[1].bundle.composed[frozenset({field, "text"})]]
    assert len(ways) == (14 if field == "image" else 13)
    for name in ways:
        for instead in (False, True):
            rows = enumerate(zip(seen, texts, strict=True))
            queries = [
                Query(str(n + 1), text=text, compose=name, **{field: photo})
                for n, (photo, text) in rows
            ]
            if instead:
                queries = [
                    Query(one.id, one.text, one.image, one.sketch, None, None, text, name)
                    for one, text in zip(queries, reversed(texts), strict=True)
                ]
            pairs = asked(pair, queries)
            ours, theirs = told(pairs)
            assert ours == theirs, (name, instead)
            answered = instead == (name in INSTEAD) or name in (None, "arithmetic")
            assert all((a.error is None) == answered for a, _ in pairs), (name, instead)
            if answered:
                assert worst(pairs) <= TOLERANCE.get(str(name), 0), (name, instead)


def test_a_mixture(small: Any, photos: list[Path], drawings: list[Path], tmp_path: Path) -> None:
    """Queries of every kind in one call, and such as cannot be used: these cost no other a bit."""
    image, sketch, bad = photos[0], drawings[1], tmp_path / "none.png"
    bad.touch()
    queries = [
        Query("1", text="red", image=image),
        Query("2", text="a * in red", image=image),
        Query("3", text="a small bird"),
        Query("4", image=image),
        Query("5", text="red", image=bad),
        Query("6", text="red", image=image),
        Query("7", text="red", image=image, compose="nothing of the kind"),
        Query("8", text="red", image=image, compose="average"),
        Query("9", text="red", sketch=sketch),
        Query("10", text=" ", image=image, compose="average"),
        Query("11", text="two dogs", image=image, compose="average"),
        Query("12", text="red", image=image, instead_of="blue"),
        Query("13", text="red", image=image, instead_of="\t"),
        Query("14", text="red *", image=image, compose="average"),
        Query("15", text="red", image=image, instead_of="a *"),
        Query("16", text="red", image=image, instead_of="blue", compose="pic2word"),
        Query("17", text="red", image=image, compose="stored"),
        Query("18", text="red", instead_of="blue"),
        Query("19", image=image, compose="average"),
        Query("20", text="...", image=image, compose="product"),
        Query("21", text="red", image=image, instead_of="...", compose="arithmetic"),
        Query("22", text="red", image=bad, instead_of="...", compose="arithmetic"),
        Query("23", text="red", image=image, compose="x" * 60),
        Query("24", text="red", image=image, instead_of="Red", compose="difference"),
        Query("25", text="red", image=image),
        Query("26", text="red", image=image, instead_of="blue"),
    ]
    pairs = asked(small, queries)
    ours, theirs = told(pairs)
    assert ours == theirs
    assert [n for n, (_, b) in enumerate(pairs, 1) if b.error] == [5, 7, 10, *range(13, 25)]
    assert worst(pairs) == 0


def test_which_one_answers(library: Any, copy: Path, plain: Path, photos: list[Path]) -> None:
    """The default, unless the text has a place or something is replaced; without any that is stored
    those that need no data.
    """
    from bundles import make_index
    from test_refusals import signed

    signed(copy / "manifest.json", composition="weighted")
    about = {"image": photos[0], "text": "red"}
    ways = [about, about | {"text": "a * in red"}, about | {"instead_of": "blue"}]
    names = (["weighted", "pic2word", "arithmetic"], ["average", None, "arithmetic"])
    make_index(plain.with_name("plain.index"), plain, 60)
    for folder, wanted in zip((copy, plain), names, strict=True):
        pair = library.open(folder), Searcher.open(folder, runtime=Runtime(threads=1))
        pairs = asked(pair, [Query(str(n), **way) for n, way in enumerate(ways)])
        ours, theirs = told(pairs)
        assert ours == theirs
        assert [one.composition for one, _ in pairs] == wanted
        [alone] = asked(pair, [Query("1", **about, compose="arithmetic")])
        assert (alone[0].error is None) == (folder is copy)
        assert alone[0].error == alone[1].error


def test_a_commit_is_measured_anew(library: Any, copy: Path, photos: list[Path]) -> None:
    """What compositions know of a gallery is of the generation that is searched."""
    from bundles import entries, unit

    from zscr.infer.index.index import Change, Index

    index = Index.open(copy.with_name("b.index"))
    pair = library.open(copy), Searcher.open(copy, runtime=Runtime(threads=1))
    queries = [
        Query(name, text="red", image=photos[0], compose=name) for name in ("basic", "weicom")
    ]
    before = asked(pair, queries)
    rows = unit(30, 77) + unit(1, 78) * 2
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index.apply(Change(entries(range(100, 130)), rows.astype(np.float32)))
    after = asked(pair, queries)
    for pairs in (before, after):
        ours, theirs = told(pairs)
        assert ours == theirs
        assert worst(pairs) <= 1e-6
    kept = {hit[1]: hit[2] for hit in before[1][0].hits}
    assert all(kept.get(hit[1]) != hit[2] for hit in after[1][0].hits)


def test_notes_of_both_texts(small: Any, photos: list[Path], drawings: list[Path]) -> None:
    """What was cut and what is unknown, of the text and of what it replaces, in Python's order."""
    queries = [
        Query("1", text="red " * 30, image=photos[0], instead_of="blue \U0001f415"),
        Query("2", text="cafe\u0301 \U0001f415", image=photos[1], instead_of="blue " * 30),
        Query("3", text="red " * 30, image=photos[2], compose="basic"),
        Query("4", text="red " * 30, image=photos[2], compose="freedom"),
        Query("5", text="red", sketch=drawings[3], compose="basic-expanded"),
    ]
    pairs = asked(small, queries)
    ours, theirs = told(pairs)
    assert ours == theirs
    assert "instead_of: truncated to 16 tokens" in pairs[1][0].notes
    assert "truncated in 80 of the phrases of the text and a word" in pairs[2][0].notes
    assert "expanded by all" not in str(pairs[4][0].notes)


def test_a_small_gallery(library: Any, bundle: Path, photos: list[Path], tmp_path: Path) -> None:
    """Fewer images than are asked for, or expanded by: all of them, and a note."""
    from bundles import make_index

    make_index(tmp_path / "few", bundle, 7)
    pair = library.open(bundle, tmp_path / "few"), Searcher.open(bundle, tmp_path / "few")
    names = ["basic-expanded", "product", "weicom", "freedom", "pic2word"]
    pairs = asked(pair, [Query(n, text="red", image=photos[0], compose=n) for n in names])
    ours, theirs = told(pairs)
    assert [one[:4] for one in ours] == [one[:4] for one in theirs]
    assert "expanded by all 7 images, not by 25" in pairs[0][0].notes
    assert worst(pairs) < 1e-6


def test_least_scores(small: Any, photos: list[Path]) -> None:
    """`min_score` leaves out what scores less, and says how many; what is no number is refused."""
    from library import Refused

    queries = [
        Query("1", text="red", image=photos[0], compose="average"),
        Query("2", text="a small bird"),
        Query("3", text="red", image=photos[0], compose="product"),
    ]
    cut = small[0].ask([given(queries[0])], 10)[0].hits[4][2]
    for least in (cut, 0, -1, 1.5):
        ours, theirs = told(asked(small, queries, min_score=least))
        assert ours == theirs
    assert len(small[0].ask([given(queries[0])], 10, min_score=cut)[0].hits) == 5
    assert small[0].ask([given(queries[0])], 10, min_score=2)[0].notes[-1:] == (
        "10 of 10 score under 2: left out",
    )
    with pytest.raises(Refused, match="min_score is no number"):
        small[0].ask([given(queries[1])], 10, min_score=float("nan"))


def test_threads_share_what_is_measured(
    library: Any, bundle: Path, small: Any, photos: list[Path]
) -> None:
    """Eight threads at once with a new handle: graphs, files, figures and kept texts are shared."""
    names = ["basic", "weicom", "pic2word", "basic-expanded", "freedom", "arithmetic", "corner"]
    queries = [
        [given(Query("1", text=text, image=photos[n], compose=name))]
        for n, text in enumerate(("red", "a small bird", "two dogs"))
        for name in names
    ]
    wanted = [small[0].ask(one)[0].hits for one in queries]
    fresh = library.open(bundle)
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(lambda one: fresh.ask(one)[0].hits, queries * 4)]
    assert found == wanted * 4


def test_structures_of_before(small: Any, photos: list[Path]) -> None:
    """A program that was built when they were shorter gets what it got then, and no garbage."""
    import ctypes as c

    from library import How, Query, Refused

    searcher, size = small[0], Query.instead_of.offset
    text, image = b"red", str(photos[0]).encode()
    wanted = searcher.ask([{"text": text, "text_size": 3, "image": image}] * 2, 3)
    one = Query(size, text=text, text_size=3, image=image, compose=b"nothing of the kind")
    packed = (c.c_char * (2 * size)).from_buffer_copy(bytes(one)[:size] * 2)
    how = How(How.min_score.offset, 3, 0, 0, 2.0)
    found = searcher._answers("zscr_search", packed, 2, c.byref(how))
    assert [one.hits for one in found] == [one.hits for one in wanted]
    how.size -= 1
    with pytest.raises(Refused, match="how is missing or not started from its INIT value"):
        searcher._answers("zscr_search", packed, 2, c.byref(how))


def test_rows(small: Any, photos: list[Path]) -> None:
    """`zscr_embed` gives the one vector that a composition makes; fused scores have none."""
    from bundles import DIM
    from library import Refused

    from zscr.infer.composed.embedding import Embedding

    ours, theirs = small
    query = Query("1", text="red", image=photos[0], compose="arithmetic")
    wanted = Embedding(theirs.bundle, BOTH)
    assert wanted.composition.name == "arithmetic"
    row = np.array(ours.embed(DIM, **given(query)), np.float32)
    assert np.array_equal(row, wanted.encode([query])[0])
    for name in ("product", "freedom"):
        query = Query("1", text="red", image=photos[0], compose=name)
        with pytest.raises(Refused, match=f"'{name}' makes no vector of a query alone"):
            ours.embed(DIM, **given(query))
    with pytest.raises(Refused, match="has an empty text"):
        ours.embed(DIM, **given(Query("1", text=" ", image=photos[0])))


def test_the_program(built: Path, small: Any, bundle: Path, photos: list[Path]) -> None:
    """`zscr-query` puts a text beside each image, by a composition that it names."""
    from library import capi

    about = [built / "zscr-query", bundle, "-k", "2", "--onnxruntime", capi(), "--threads", "1"]

    def ran(*more: Any, code: int = 0) -> Any:
        done = subprocess.run(
            [*map(str, [*about, *more])], capture_output=True, text=True, input=""
        )
        assert done.returncode == code, done.stderr
        return done

    image = photos[0]
    query = {"text": "red", "image": image, "compose": "arithmetic", "instead_of": "blue"}
    [answer] = small[0].ask([given(Query("1", **query))], 2)
    done = ran("--image", image, "--text", "red", "--instead-of", "blue")
    assert done.stdout.splitlines() == [
        f"{image} + red\t{rank}\t{id}\t{score:.17g}" for rank, id, score, *_ in answer.hits
    ]
    assert f"{image} + red: composed by arithmetic\n" in done.stderr
    done = ran("--image", image, "--image", photos[1], "--text", "red", "--compose", "no", code=1)
    assert done.stderr.count("composes image and text by pic2word, arithmetic, ") == 2
    done = ran("--text", "red", "--compose", "average", code=1)
    assert "it has compose without a text beside an image or a sketch" in done.stderr
    assert "10 of" not in ran("--text", "red", "--min-score", "-1").stderr
    assert "2 of 2 score under 2: left out" in ran("--text", "red", "--min-score", "2").stderr
    assert ran("--min-score", "much", code=2).stderr.startswith("usage: ")
