"""A collection of Qdrant, by the client's own local mode: no server runs here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from galleries import content, unit

from zscr.errors import ConfigError, InputError, MismatchError
from zscr.infer.exchange.gallery import gallery_of
from zscr.infer.exchange.imports import import_index
from zscr.infer.exchange.qdrant import Qdrant
from zscr.infer.index.index import Change, Index
from zscr.patience import Patience

client = pytest.importorskip("qdrant_client", reason="the extra 'qdrant' is not there")


@pytest.fixture
def collection() -> Any:
    """Open a collection of the local mode, in memory."""
    held = client.QdrantClient(":memory:")
    yield Qdrant(held, "here", "holiday")
    held.close()


def gathered(collection: Qdrant) -> dict[str, Any]:
    """Return all images of a collection, to the bit."""
    found = {}
    for block in collection.read().blocks():
        pairs = zip(block.entries, block.vectors, strict=True)
        found |= {one.id: (one, row.tobytes(), b"") for one, row in pairs}
    return found


def test_another_export_writes_over_the_first(
    index: Index, collection: Qdrant, tmp_path: Path, capsys: Any
) -> None:
    """All is there, once; then what is changed is, and what is gone is said to be left."""
    collection.write(gallery_of(index))
    collection.write(gallery_of(index))
    wanted = {name: (one, row, b"") for name, (one, row, _) in content(index).items()}
    assert gathered(collection) == wanted
    about = collection.read().about
    assert (about.count, about.space, about.bundle) == (500, index.space, "birds")
    assert "not of this export" not in capsys.readouterr().err
    some = Index.create(
        tmp_path / "some",
        space=index.space,
        bundle_name="birds",
        entries=index.entries[:400],
        vectors=index.vectors[:400],
        search="exact",
    )
    other = replace(index.entries[0], attributes={"class": "owl"})
    some.apply(Change([other], index.vectors[1:2]))
    collection.write(gallery_of(some))
    found = gathered(collection)
    assert len(found) == 500
    assert found[other.id] == (other, index.vectors[1].tobytes(), b"")
    assert "holds 100 points that are not of this export" in capsys.readouterr().err


def test_its_own_search_finds_what_zscr_finds(index: Index, collection: Qdrant) -> None:
    """The ten best of 32 queries by a collection of distance Dot, and by an attribute."""
    collection.write(gallery_of(index))
    queries = unit(np.random.default_rng(9).normal(size=(32, 32)))
    twin = {e.id: index.entries[row % 480].id for row, e in enumerate(index.entries)}
    for query, ours in zip(queries, index.search(queries, 10), strict=True):
        hits = collection.client.query_points("holiday", query.tolist(), limit=10).points
        found = [hit.payload["id"] for hit in hits]
        assert [twin[one] for one in found] == [twin[match.entry.id] for match in ours]
    models = client.models
    of = models.FieldCondition(key="attributes.class", match=models.MatchValue(value="bird 1"))
    asked = models.Filter(must=[of])
    held = collection.client.count("holiday", count_filter=asked).count
    assert held == sum(one.class_id == "bird 1" for one in index.entries)


def test_a_collection_of_something_else_is_left_alone(index: Index, collection: Qdrant) -> None:
    """Of another length, distance, space or precision; and what is no image is not read as one."""
    models, local = client.models, collection.client
    gallery = gallery_of(index)
    for how in (
        models.VectorParams(size=31, distance=models.Distance.DOT),
        models.VectorParams(size=32, distance=models.Distance.COSINE),
    ):
        local.create_collection("holiday", how)
        with pytest.raises(MismatchError, match="the collection holiday at here holds"):
            collection.write(gallery)
        assert local.count("holiday").count == 0
        local.delete_collection("holiday")
    other = replace(gallery, about=replace(gallery.about, space="c" * 64, bundle="clip"))
    collection.write(other)
    with pytest.raises(MismatchError, match="of clip, the index of 32"):
        collection.write(gallery)
    finer = replace(other, about=replace(other.about, precision="fp16"))
    with pytest.raises(MismatchError, match="holds vectors in fp32, the index in fp16"):
        collection.write(finer)
    local.upsert("holiday", [models.PointStruct(id=7, vector=[0.0] * 32, payload={"a": 1})])
    with pytest.raises(InputError, match="an image has no id"):
        gathered(collection)
    with pytest.raises(InputError, match="not found"):
        Qdrant(local, "here", "none").read()


def test_nobody_answers(index: Index, tmp_path: Path) -> None:
    """A server that is not there is a sentence, with the host and not the key."""
    with pytest.raises(ConfigError, match=r"nobody answers at http://127\.0\.0\.1:9; run the same"):
        import_index("http://127.0.0.1:9", tmp_path / "i", collection="x")


def test_a_busy_server_is_asked_again(index: Index, capsys: Any) -> None:
    """As often as the patience lasts; what it refuses for ever, once."""
    from httpx import Headers
    from qdrant_client.http.exceptions import UnexpectedResponse

    class Busy:
        """A client whose server answers with errors first."""

        def __init__(self, *statuses: int) -> None:
            self.left = [*statuses]

        def get_collection(self, name: str) -> Any:
            raise UnexpectedResponse(self.left.pop(0), "why", b"said", Headers())

    patience = Patience(tries=3, first_wait=0.0)
    busy = Busy(503, 429, 503)
    with pytest.raises(ConfigError, match="http://q answers 503 .*run the same command again"):
        Qdrant(busy, "http://q", "x", patience).read()
    assert busy.left == []
    assert "trying again in 0 s (2 of 3)" in capsys.readouterr().err
    busy = Busy(503, 404, 503)
    with pytest.raises(InputError, match="http://q answers 404: said"):
        Qdrant(busy, "http://q", "x", patience).read()
    assert busy.left == [503]


def test_a_server_that_is_started_anew_is_waited_for(
    index: Index, collection: Qdrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers in the middle of an export; it goes on when somebody does."""
    from qdrant_client.http.exceptions import ResponseHandlingException

    upsert, gone = collection.client.upsert, [ConnectionRefusedError("no"), None, None]

    def asked(*args: Any, **how: Any) -> Any:
        if fault := gone.pop(0):
            raise ResponseHandlingException(fault) from fault
        return upsert(*args, **how)

    monkeypatch.setattr(collection.client, "upsert", asked)
    collection.patience = Patience(tries=2, first_wait=0.0)
    collection.write(gallery_of(index))
    assert gone == []
    assert len(gathered(collection)) == 500
