"""The search that mteb is given, without mteb: what is ranked, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.bundle import Bundle
from zscr.infer.mteb import BundleSearch


class Rows(list):
    """Rows of a task, as far as a `datasets.Dataset` is used."""

    @property
    def column_names(self):
        return list(self[0]) if self else []

    def iter(self, batch_size):
        for start in range(0, len(self), batch_size):
            rows = self[start : start + batch_size]
            yield {name: [row[name] for row in rows] for name in rows[0]}


def about(queries, documents):
    """Return what a task tells of itself: what its two sides are made of."""
    sides = {"query": queries.split(), "document": documents.split()}
    metadata = SimpleNamespace(name="Local", get_modalities=sides.__getitem__)
    return {"task_metadata": metadata, "encode_kwargs": {"batch_size": 5}}


def answer(model, documents, queries, task):
    """Index and search, as mteb does."""
    model.index(documents, **task)
    return model.search(queries, top_k=3, **task)


@pytest.fixture(scope="module")
def photos(shapes):
    """Return 16 images as documents."""
    items = read_collection(shapes).items[:16]
    return Rows({"id": item.id, "image": shapes / item.image} for item in items)


@pytest.fixture(scope="module")
def texts():
    """Return queries, one with an instruction."""
    return Rows(
        {"id": str(n), "text": text, "instruction": beside}
        for n, (text, beside) in enumerate([("a red circle", ""), ("small", "blue square")])
    )


def test_the_best_documents_with_their_cosines(deployed, photos, texts):
    """In batches, as the bundle's own graphs say; instructions follow their query's text."""
    model, task = BundleSearch(deployed.bundle), about("text", "image")
    model.index(photos, hf_split="test", hf_subset="default", num_proc=None, **task)
    found = model.search(texts, top_k=7, hf_split="test", **task)
    bundle = Bundle.open(deployed.bundle)
    asked = Query.of("text", ["a red circle", "small blue square"])
    rows = bundle.gallery.encode(Query.of("image", [row["image"] for row in photos]))
    cosines = np.float64(bundle.route(frozenset({"text"})).encode(asked)) @ rows.T
    for name, row in zip(found, cosines, strict=True):
        best = np.argsort(-row, kind="stable")[:7]
        assert [*found[name]] == [photos[place]["id"] for place in best]
        assert [*found[name].values()] == pytest.approx(row[best], abs=1e-6)


def test_only_what_a_task_ranks_is_ranked(deployed, photos, texts):
    """A reranking task names each query's documents; the others are not among the answers."""
    model, task = BundleSearch(deployed.bundle), about("text", "image")
    model.index(photos, **task)
    few = {"0": [photos[n]["id"] for n in (3, 7, 1)], "1": [photos[5]["id"]]}
    found, every = (model.search(texts, top_k=99, top_ranked=t, **task) for t in (few, None))
    assert {name: {*hits} for name, hits in found.items()} == {n: {*ids} for n, ids in few.items()}
    assert all(every[name][one] == s for name, hits in found.items() for one, s in hits.items())
    assert {len(hits) for hits in every.values()} == {16}


def test_documents_may_be_texts(deployed, photos):
    """With their titles before them, for images that ask."""
    titled = Rows([{"id": "a", "title": "red", "text": "circle"}])
    whole = Rows([{"id": "a", "text": "red circle"}])
    scores = []
    for documents in (titled, whole):
        model = BundleSearch(deployed.bundle)
        model.index(documents, **about("image", "text"))
        scores.append(model.search(photos, top_k=1, **about("image", "text")))
    assert scores[0] == scores[1]


def test_an_image_and_a_text_are_one_query(deployed, photos):
    """By the bundle's first composition, the average, as mteb names no other."""
    asked = Rows({"id": row["id"], "text": "a red circle", "image": row["image"]} for row in photos)
    found = answer(BundleSearch(deployed.bundle), photos, asked, about("image text", "image"))
    bundle = Bundle.open(deployed.bundle)
    images = bundle.gallery.encode(Query.of("image", [row["image"] for row in photos]))
    text = bundle.route(frozenset({"text"})).encode([Query(text="a red circle")])
    both = images + text
    cosines = (both / np.linalg.norm(both, axis=1, keepdims=True)) @ images.T
    for name, row in zip(found, cosines, strict=True):
        assert [*found[name].values()] == pytest.approx(np.sort(row)[::-1][:3], abs=1e-6)


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (("text", "image text"), "cannot embed documents of image and text, which the task Local"),
        (("sketch text", "image"), "answers queries of .*, not of sketch and text"),
        (("image", "image"), "rows of kind query lack the column 'image'"),
    ],
)
def test_what_a_bundle_does_not_take_is_one_sentence(deployed, photos, texts, sides, message):
    """Documents of both, queries that it does not embed, rows that are not what the task says."""
    model = BundleSearch(deployed.bundle)
    with pytest.raises(InputError, match=message):
        answer(model, photos, texts, about(*sides))


def test_an_order_or_a_corpus_that_gives_nothing_is_refused(deployed, texts):
    """Search before index, and an index of no documents."""
    model = BundleSearch(deployed.bundle)
    with pytest.raises(InputError, match="call index before search"):
        model.search(texts, top_k=3, **about("text", "image"))
    with pytest.raises(InputError, match="rows of kind document are none"):
        model.index(Rows(), **about("text", "image"))
