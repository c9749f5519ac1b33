"""Evaluations that use the gallery rank as an index does, and say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.data.own_gallery import Within
from zscr.errors import InputError
from zscr.infer.composition.affine import affine
from zscr.infer.composition.composition import Fusion
from zscr.infer.evaluation.fused import Fused
from zscr.infer.evaluation.gallery_use import GalleryUse, diffused, expanded, gallery_use
from zscr.infer.evaluation.generalised import evaluate
from zscr.infer.evaluation.ranking import ranked_blocks
from zscr.infer.evaluation.table import table
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.expansion import Expansion
from zscr.infer.index.index import Entry, Index


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def some(embedded_of):
    """Return a function that makes a task of two queries and six images a class, with features."""

    def make(seed, names="abcd"):
        rng = np.random.default_rng(seed)
        asked, found = [*(names * 2)], [*(names * 6)]
        rows = [unit(rng.standard_normal((len(side), 6))) for side in (asked, found)]
        features = unit(rng.standard_normal((len(found), 5)))
        features = features.astype(np.float16).astype(np.float32)  # as an index stores them
        return replace(embedded_of(*rows, asked, found), features=features)

    return make


def orders(embedded):
    return np.concatenate([order for _, order in ranked_blocks(embedded.scorer)])


@settings(max_examples=20)
@given(st.integers(0, 999), st.integers(1, 24), st.integers(1, 3), st.booleans())
def test_it_ranks_as_an_index_does(tmp_path_factory, embedded_of, seed, k, rounds, diffuse):
    """The joint task's cosines give the order of the expanded, diffused index's scores."""
    rng = np.random.default_rng(seed)
    names = [*("abcd" * 6)]
    rows = [unit(rng.standard_normal((count, 6))) for count in (4, 24)]
    features = unit(rng.standard_normal((24, 5))).astype(np.float16).astype(np.float32)
    embedded = replace(embedded_of(*rows, "abcd", names), features=features)
    use = GalleryUse(Diffusion() if diffuse else None, Expansion(k, 1.4, rounds))
    index = Index.create(
        tmp_path_factory.mktemp("use") / "index",
        space="s",
        bundle_name="b",
        entries=[Entry(str(number), "0") for number in range(24)],
        vectors=embedded.gallery,
        features=features,
        diffusion=use.diffusion,
    )
    found = index.search(embedded.queries, 24, expansion=use.expansion)
    wanted = [[int(match.entry.id) for match in row] for row in found]
    np.testing.assert_array_equal(orders(use(embedded)), wanted)


def test_nothing_is_done_unasked(some):
    """Without either the task is what it was, and nothing is labelled."""
    embedded = some(1)
    assert GalleryUse()(embedded) is embedded
    assert not gallery_use(None, diffuse=False)
    label = "uses the gallery: embeddings diffused over it, queries expanded by the top 5"
    assert str(gallery_use(5, diffuse=True)) == label


def test_generalised_galleries_help_as_a_whole(some):
    """Queries are expanded, and embeddings diffused, over the images of both kinds of classes."""
    unseen, seen, use = some(2), some(3, "wxyz"), GalleryUse(Diffusion(), Expansion(5))
    found = evaluate(unseen, seen, use=use)
    both = unseen.with_gallery_of(seen)
    np.testing.assert_array_equal(both.features, np.vstack([unseen.features, seen.features]))
    by_hand = expanded(diffused(both, Diffusion()), Expansion(5)).report().metrics
    assert found.generalised.unseen.metrics == by_hand
    assert found.plain.metrics == use(unseen).report().metrics
    assert found.plain.metrics != evaluate(unseen, seen).plain.metrics


def test_images_without_features_are_refused(some):
    """One sentence that names the task; a K beyond the gallery is another."""
    bare = replace(some(4), features=None)
    for use in (gallery_use(5, diffuse=False), gallery_use(None, diffuse=True)):
        with pytest.raises(InputError, match="task 'text' has no image features"):
            use(bare)
    with pytest.raises(InputError, match="top 25 of 24 images"):
        gallery_use(25, diffuse=False)(some(4))
    with pytest.raises(InputError, match="23 embeddings of the 24 gallery items"):
        replace(some(4), features=np.eye(23, dtype=np.float32))


def test_fused_scores_are_refused(some):
    """There is no one vector that could be asked again."""
    embedded = some(4)
    channels = (affine(embedded.queries), affine(embedded.queries))
    fused = Fused(embedded.task, channels, embedded.gallery, Fusion("product"))
    for use in (gallery_use(5, diffuse=False), gallery_use(None, diffuse=True)):
        with pytest.raises(InputError, match="'text' are ranked by fused scores, which --expand"):
            use(fused)
    assert gallery_use(None, diffuse=False)(fused) is fused


def test_tables_say_that_the_gallery_was_used(some):
    """Above the figures, by the name of the model."""
    about = {"method": "zscrgan", "kind": "run", "collection": "birds", "protocol": "P"}
    about |= {"split": "unseen", "seeds": [7], "versions": {"torch": "2"}, "selection": "chosen"}
    about |= {"gallery_use": str(gallery_use(5, diffuse=False))} | evaluate(some(5)).to_json()
    line = "zscrgan (run) uses the gallery: queries expanded by the top 5"
    assert table(about).splitlines()[2] == line


def test_queries_are_expanded_by_the_part_that_they_search(some, embedded_of):
    """As if each part were a gallery of its own; a part of fewer images than k is refused."""
    whole = some(5)
    asked, found = np.array([*"abcd" * 2]), np.array([*"abcd" * 6])
    relevance = Within.of_labels(whole.task.relevance, asked.tolist(), found.tolist())
    whole = replace(whole, task=replace(whole.task, relevance=relevance))
    queries = expanded(whole, Expansion(3)).queries
    for name in "abcd":
        rows, places = asked == name, found == name
        alone = embedded_of(whole.queries[rows], whole.gallery[places], asked[rows], found[places])
        alone = replace(alone, features=whole.features[places])
        np.testing.assert_allclose(queries[rows], expanded(alone, Expansion(3)).queries, atol=1e-6)
    with pytest.raises(InputError, match="top 7 of 6 images"):
        expanded(whole, Expansion(7))
