"""What unrelated queries score: known answers, a plain second implementation, and its upkeep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.infer.index import calibration
from zscr.infer.index.add import add_images
from zscr.infer.index.calibration import Calibration, Unrelated, calibrate
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.index import Change, Entry, Index
from zscr.infer.index.unrelated import unrelated_texts

AXES = np.eye(3, dtype=np.float32)
BIRDS = [Entry(name, name, attributes={"class": name}) for name in ("wren", "robin", "tit")]


def asked(*rows, classes):
    vectors = np.array(rows, np.float32)
    return Unrelated("graph", "texts", vectors, tuple(classes))


def test_known_scores():
    """The best image counts but those of the query's own class, which need not be there."""
    queries = asked([0.6, 0.8, 0], [0.6, 0.8, 0], [0, 0, 1], classes=["robin", "owl", "tit"])
    found, images = calibrate(BIRDS, AXES, AXES, queries, "space")
    assert found.scores == pytest.approx((0, 0.6, 0.8))
    assert (found.graph, found.of) == ("graph", "texts")
    assert images.scores == (0, 0, 0), "an image is unrelated to those of other classes"
    assert (images.graph, images.of) == ("space", "images, each without those of its class")


@pytest.mark.parametrize("attributes", [{}, {"class": "wren"}])
def test_what_is_not_known_is_not_guessed(attributes):
    """An image without a class may be of any: neither examples nor images are unrelated to it."""
    entries = [*BIRDS[:2], Entry("x", "x", attributes=attributes)]
    with_classes, without = (asked([0.6, 0.8, 0], classes=[name]) for name in ("robin", None))
    found = calibrate(entries, AXES, AXES, with_classes, "space")
    assert len(found) == (2 if attributes else 0)
    plain = calibrate(entries, AXES, AXES, without, "space")[0]
    assert plain.scores == pytest.approx((0.8,))


def test_images_of_one_class_alone_calibrate_nothing():
    """Each query would have no image left."""
    entries = [Entry(name, name, attributes={"class": "wren"}) for name in "abc"]
    assert calibrate(entries, AXES, AXES, asked([1, 0, 0], classes=["wren"]), "space") == ()
    assert calibrate([], AXES[:0], AXES[:0], asked([1, 0, 0], classes=[None]), "space") == ()


@given(seed=st.integers(0, 99), count=st.integers(2, 40), queries=st.integers(1, 20))
def test_blocks_equal_one_look_at_all(seed, count, queries):
    """Against loops over pairs, whatever the blocks."""
    rng = np.random.default_rng(seed)
    vectors, asking = (rng.standard_normal((n, 4)).astype(np.float32) for n in (count, queries))
    classes = [f"c{n}" for n in rng.integers(0, 3, count)]
    own = [f"c{n}" for n in rng.integers(0, 4, queries)]
    entries = [Entry(str(n), "", attributes={"class": name}) for n, name in enumerate(classes)]
    best = []
    for query, name in zip(asking, own, strict=True):
        pairs = zip(vectors, classes, strict=True)
        scores = [float(query @ vector) for vector, other in pairs if other != name]
        best += [max(scores)] if scores else []
    whole = Unrelated("g", "x", asking, tuple(own))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(calibration, "_BLOCK", 3 * queries)
        found = calibrate(entries, vectors, vectors, whole, "space")
    scores = next((one.scores for one in found if one.graph == "g"), ())
    assert scores == pytest.approx(sorted(best), abs=1e-5)


def test_the_share_is_of_those_that_score_lower():
    """Equal ones are not below; nothing is above them all, or under the first, by rounding."""
    known = Calibration("g", "x", (0.1, 0.2, 0.2, 0.4))
    shares = [known.above(score) for score in (-1, 0.1, 0.2, 0.21, 0.4, 0.5)]
    assert shares == [0, 0, 0.25, 0.75, 0.75, 1]


def test_it_follows_the_images(tmp_path, entry, embed, create):
    """Measured anew by the queries that are kept, at each change, and read again with the index."""
    entries = [entry(f"bird {n}", **{"class": f"c{n % 3}"}) for n in range(9)]
    queries = Unrelated("graph", "texts", embed(entries[:4]), ("c0", "c1", "c2", None))
    index = create(tmp_path / "index", entries, unrelated=queries)
    before = index.calibrations
    assert [one.graph for one in before] == ["graph", index.space]
    assert before[0].scores[-1] == pytest.approx(1), "the query of no class finds its image"
    twin = Entry("twin", "0", attributes={"class": "c9"})
    index.apply(Change([twin], queries.vectors[:1]))
    after = index.calibrations
    assert sum(np.array(after[0].scores) > 0.999) == 2, "it found nothing of its own class before"
    again = Index.open(tmp_path / "index")
    assert again.calibrations == after
    np.testing.assert_array_equal(again.unrelated.vectors, queries.vectors)
    assert again.unrelated.classes == queries.classes
    index.apply(Change([Entry("plain", "1")], queries.vectors[1:2]))
    assert index.calibrations == (), "an image of no class may be of any"


def test_diffused_images_are_scored_as_they_are_searched(tmp_path, entry, embed, create):
    """By the vectors that queries are compared with; an image asks by its own embedding."""
    entries = [entry(f"bird {n}", **{"class": f"c{n % 3}"}) for n in range(12)]
    options = {"features": embed(entries), "diffusion": Diffusion(k=3)}
    queries = Unrelated("graph", "texts", embed([entry("other")]), (None,))
    index = create(tmp_path / "index", entries, unrelated=queries, **options)
    [[best]] = index.search(queries.vectors, 1)
    texts, images = index.calibrations
    assert texts.scores == pytest.approx((best.score,), abs=1e-6)
    raw, _ = index.embedded([one.id for one in entries])
    highest = max(
        float(row @ vector)
        for row, one in zip(raw, entries, strict=True)
        for vector, other in zip(index.vectors, entries, strict=True)
        if one.class_id != other.class_id
    )
    assert images.scores[-1] == pytest.approx(highest, abs=1e-6)


def test_photos_are_calibrated_by_mixed_words(tmp_path, bundle, images):
    """Nobody knows of which class they are, so no example is known to be unrelated to them."""
    images(5)
    index = add_images(bundle, tmp_path / "own.index", [tmp_path / "images"]).index
    [one] = index.calibrations
    assert one.graph == bundle.manifest.files["query.onnx"]["sha256"]
    assert one.of == "mixes of the examples' words"
    assert len(one.scores) == calibration.MOST
    assert unrelated_texts(bundle, index.entries, index.unrelated) is None, "it holds them"


def test_classes_are_calibrated_by_examples(bundle):
    """Each is unrelated to the images of other classes."""
    queries = unrelated_texts(bundle, BIRDS, None)
    assert queries.of == "examples, each without the images of its class"
    assert queries.classes == tuple(bundle.examples.values())
    photos = [Entry("x", "x")]
    assert unrelated_texts(bundle, photos, queries).has_classes is False, "they need others"


def test_a_bundle_without_examples_is_calibrated_by_common_words(tmp_path, make_bundle, images):
    """As a pretrained model's; one that takes no texts is not, and its index says so."""
    from zscr.infer.bundle import Bundle

    images(2)
    found = {}
    for name, options in (("a", {"examples": {}}), ("b", {"takes": "vector"})):
        opened = Bundle.open(make_bundle(tmp_path / name, **options))
        index = add_images(opened, tmp_path / f"{name}.index", [tmp_path / "images"]).index
        found[name] = [one.of for one in index.calibrations]
    assert found == {"a": ["mixes of common English words"], "b": []}
