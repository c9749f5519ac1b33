"""What goes out is found by the other library as by zscr, and comes back to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from galleries import SPACE, content, entry, small_blocks, unit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zscr.infer.exchange.exports import FORMATS, export_index
from zscr.infer.exchange.imports import import_index
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.index import Entry, Index


def top(index: Index, queries: np.ndarray) -> list[list[str]]:
    """Return the ten best ids by zscr's exact search."""
    return [[m.entry.id for m in row] for row in index.search(queries, 10, exact=True)]


def ids_of(out: Path) -> list[str]:
    """Return the ids of the lines beside an export, by JSON alone."""
    lines = (out / "entries.jsonl").read_text("utf-8").split("\n")[:-1]
    return [json.loads(line)["id"] for line in lines]


def by_npy(out: Path, queries: np.ndarray) -> Any:
    vectors, ids = np.load(out / "vectors.npy"), ids_of(out)
    best = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :10]
    return [[ids[row] for row in rows] for rows in best]


def by_hnswlib(out: Path, queries: np.ndarray) -> Any:
    import hnswlib

    graph, ids = hnswlib.Index(space="ip", dim=32), ids_of(out)
    graph.load_index(str(out / "index.bin"))
    graph.set_ef(500)
    labels, _ = graph.knn_query(queries, 10)
    return [[ids[int(row)] for row in rows] for rows in labels]


def by_faiss(out: Path, queries: np.ndarray) -> Any:
    import faiss

    held, ids = faiss.read_index(str(out / "index.faiss")), ids_of(out)
    _, rows = held.search(queries, 10)
    return [[ids[row] for row in found] for found in rows]


def by_parquet(out: Path, queries: np.ndarray) -> Any:
    import pyarrow.parquet as pq

    table = pq.read_table(out)
    vectors = np.stack(table.column("vector").to_numpy())
    ids = table.column("id").to_pylist()
    best = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :10]
    return [[ids[row] for row in rows] for rows in best]


def by_lance(out: Path, queries: np.ndarray) -> Any:
    import lance

    held = lance.dataset(str(out))
    how = {"column": "vector", "k": 10, "metric": "dot"}
    return [
        held.to_table(columns=["id"], nearest={**how, "q": q}).column("id").to_pylist()
        for q in queries
    ]


def by_qdrant(out: Path, queries: np.ndarray) -> Any:
    import qdrant_edge as edge

    shard = edge.EdgeShard.load(str(out))
    asked = [edge.Query.Nearest(query.tolist()) for query in queries]
    requests = [edge.QueryRequest(limit=10, query=one, with_payload=True) for one in asked]
    found = [[hit.payload["id"] for hit in shard.query(one)] for one in requests]
    shard.close()
    return found


SEARCHES = {
    "npy": by_npy,
    "hnswlib": by_hnswlib,
    "faiss": by_faiss,
    "parquet": by_parquet,
    "lance": by_lance,
    "qdrant": by_qdrant,
}


@pytest.mark.parametrize("style", FORMATS)
def test_other_libraries_find_what_zscr_finds(
    index: Index, tmp_path: Path, need: Any, style: str
) -> None:
    """The ten best ids of 64 queries; among images of the same vector, either may come first."""
    need(style)
    queries = unit(np.random.default_rng(9).normal(size=(64, 32)))
    queries[:8] = index.vectors[:8]  # each the vector of two images
    export_index(index.folder, str(tmp_path / "out"), style)
    found, wanted = SEARCHES[style](tmp_path / "out", queries), top(index, queries)
    twin = {e.id: index.entries[row % 480].id for row, e in enumerate(index.entries)}
    for ours, theirs in zip(wanted, found, strict=True):
        assert [twin[one] for one in theirs] == [twin[one] for one in ours]
        assert len(set(theirs)) == 10
    assert all(
        {a, b} == {a2, b2} for (a, b, *_), (a2, b2, *_) in zip(wanted[:8], found, strict=False)
    )


@pytest.mark.parametrize("style", FORMATS)
def test_what_comes_back_is_what_went_out(
    index: Index, tmp_path: Path, need: Any, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids, contents, places, attributes, vectors, features, the space and the bundle's name."""
    need(style)
    features = style != "qdrant"
    with small_blocks(monkeypatch, 33):  # 15 blocks of 33 rows, and 5 rows
        export_index(index.folder, str(tmp_path / "out"), style, features=features)
        back = import_index(str(tmp_path / "out"), tmp_path / "back.index").index
    wanted = content(index)
    if not features:
        wanted = {name: (one, row, b"") for name, (one, row, _) in wanted.items()}
    assert content(back) == wanted
    assert (back.space, back.bundle_name) == (SPACE, "birds")
    if style != "qdrant":  # whose points are in the order of their own ids
        assert back.entries == index.entries
    assert Index.open(tmp_path / "back.index").entries == back.entries


LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
WORDS, VALUES = st.text(LETTERS, min_size=1, max_size=12), st.text(LETTERS, max_size=5)


@pytest.mark.parametrize("style", FORMATS)
def test_no_word_is_changed_on_the_way(tmp_path_factory: Any, need: Any, style: str) -> None:
    """Unicode, quotes, ends of lines, empty values; attributes that not all images have."""
    need(style)

    @settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
    @given(st.dictionaries(WORDS, st.dictionaries(WORDS, VALUES), min_size=1))
    def there_and_back(images: dict[str, dict[str, str]]) -> None:
        folder = tmp_path_factory.mktemp("words")
        entries = [Entry(name, "0" * 64, None, said) for name, said in images.items()]
        rows = unit(np.random.default_rng(len(entries)).normal(size=(len(entries), 4)))
        about = {"space": SPACE, "bundle_name": "birds", "search": "exact"}
        made = Index.create(folder / "i", entries=entries, vectors=rows, **about)
        export_index(folder / "i", str(folder / "out"), style)
        back = import_index(str(folder / "out"), folder / "back").index
        assert content(back) == content(made)

    there_and_back()


def test_databases_ask_for_attributes_by_name(index: Index, tmp_path: Path, need: Any) -> None:
    """DuckDB and Polars read the file; an attribute is a field that is null where it is not."""
    need("parquet")
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not there")
    out = tmp_path / "out.parquet"
    export_index(index.folder, str(out), "parquet")
    asked = f"select id from '{out}' where attributes.class = 'bird 1' order by id"
    wanted = sorted(one.id for one in index.entries if one.class_id == "bird 1")
    assert [row[0] for row in duckdb.sql(asked).fetchall()] == wanted
    polars = pytest.importorskip("polars", reason="polars is not there")
    table = polars.read_parquet(out)
    is_so = polars.col("attributes").struct.field("class") == "bird 1"
    assert sorted(table.filter(is_so)["id"]) == wanted
    assert table["vector"].to_numpy().tobytes() == np.asarray(index.vectors).tobytes()


def test_a_graph_of_faiss_finds_nearly_all(index: Index, tmp_path: Path, need: Any) -> None:
    """With --hnsw, faiss searches by its own HNSW, which keeps its ef."""
    faiss = need("faiss")
    export_index(index.folder, str(tmp_path / "out"), "faiss", hnsw=True)
    held = faiss.read_index(str(tmp_path / "out/index.faiss"))
    assert isinstance(faiss.downcast_index(held.index), faiss.IndexHNSWFlat)
    queries = unit(np.random.default_rng(9).normal(size=(50, 32)))
    pairs = zip(top(index, queries), by_faiss(tmp_path / "out", queries), strict=True)
    assert np.mean([len({*ours} & {*theirs}) for ours, theirs in pairs]) > 9.5
    back = import_index(str(tmp_path / "out"), tmp_path / "back.index").index
    assert np.asarray(back.vectors).tobytes() == np.asarray(index.vectors).tobytes()


def test_a_diffused_index_goes_out_as_it_is_searched(tmp_path: Path, capsys: Any) -> None:
    """And it is said, on the way out and in what comes back."""
    rows = unit(np.random.default_rng(3).normal(size=(30, 8)))
    made = Index.create(
        tmp_path / "i",
        space=SPACE,
        bundle_name="birds",
        entries=[entry(number) for number in range(30)],
        vectors=rows,
        features=rows,
        diffusion=Diffusion(k=3),
    )
    export_index(tmp_path / "i", str(tmp_path / "out"), "npy")
    assert "those that are searched, diffused over 3 neighbours" in capsys.readouterr().err
    assert np.load(tmp_path / "out/vectors.npy").tobytes() == np.asarray(made.vectors).tobytes()
    assert not np.allclose(made.vectors, rows, atol=0.01)
    back = import_index(str(tmp_path / "out"), tmp_path / "back")
    assert "3 neighbours" in str(back.about.diffused)
    assert back.index.diffusion is None
