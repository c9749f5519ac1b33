"""The index as its callers see it: what is searched, what a change makes of it, what it refuses."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.errors import InputError, MismatchError
from zscr.infer.index.index import Change, Entry, Index
from zscr.infer.index.roots import Root

DIM, SPACE = 8, "b" * 64


def test_search_finds_the_best_first(tmp_path, entries, create):
    """An image finds itself with cosine 1, and k above the gallery's size gives all of it."""
    index = create(tmp_path / "index", entries)
    found = index.search(index.vectors[[5, 9]], 1000)
    assert [matches[0].entry for matches in found] == [entries[5], entries[9]]
    assert [len(matches) for matches in found] == [60, 60]
    scores = [match.score for match in found[0]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(1, abs=1e-6)
    assert index.search(np.empty((0, DIM), np.float32), 3) == []
    assert index.how.startswith("exact: 60 items are fewer than")


@pytest.mark.parametrize("search", ["exact", "hnsw"])
def test_reopened_index_gives_the_same_answers(tmp_path, entries, entry, embed, create, search):
    """Entries, vectors, choice (with ef) and answers survive the disk; a pinned search stays."""
    options = {"search": search, "queries": embed([entry("query")]), "errors": [{"image": "x"}]}
    made = create(tmp_path / "index", entries, **options)
    read = Index.open(tmp_path / "index", SPACE)
    queries = embed([entry("a"), entry("b")])
    assert read.search(queries, 7) == made.search(queries, 7)
    assert (read.entries, read.choice, read.errors) == (made.entries, made.choice, made.errors)
    assert (read.space, read.bundle_name, read.dim) == (SPACE, "birds", DIM)
    read.apply(Change([entry("late")], embed([entry("late")])))
    assert (read.choice.search, read.choice.pinned) == (search, True)
    assert read.search(embed([entry("late")]), 1)[0][0].entry.id == "late"


def test_hnsw_and_exact_answers_agree(tmp_path, entries, entry, embed, create):
    """On a gallery that HNSW covers wholly, asking for exact search changes nothing."""
    index = create(tmp_path / "index", entries, search="hnsw")
    queries = embed([entry(str(number)) for number in range(20)])
    assert index.search(queries, 60, ef=200) == index.search(queries, 60, exact=True)


@pytest.mark.parametrize("field", [{"passed": {"*.mov": -1}}, {"path": "nowhere"}])
def test_what_no_reader_would_take_is_never_committed(tmp_path, entries, create, field):
    """Else one change would end an index that holds hours of work."""
    index, bad = create(tmp_path / "index", entries), (replace(Root("a", "/a"), **field),)
    with pytest.raises(InputError, match=r"cannot hold this: roots\[0\].* nothing is changed"):
        index.apply(Change(roots=bad))
    with pytest.raises(InputError, match="cannot hold this"):
        create(tmp_path / "new", entries, roots=bad)
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    assert Index.open(tmp_path / "index").generation == index.generation == 1


ARRIVALS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 2)), max_size=5, unique_by=lambda a: a[0]
)


@settings(max_examples=25)
@given(
    st.lists(ARRIVALS, min_size=2, max_size=4).filter(lambda batches: batches[0]),
    st.sampled_from([None, "hnsw"]),
)
def test_upserts_equal_a_dict(tmp_path_factory, entry, embed, create, batches, search):
    """After any batches the index is the dict of what came last, in order of arrival."""
    folder = tmp_path_factory.mktemp("upsert") / "index"
    model: dict[str, Entry] = {}
    index = None
    for batch in batches:
        arrived = [entry(name, version) for name, version in batch]
        kinds = Counter(
            "added" if e.id not in model else "unchanged" if model[e.id] == e else "replaced"
            for e in arrived
        )
        if index is None:
            index = create(folder, arrived, search=search)
        else:
            before = index.generation
            report = index.apply(Change(arrived, embed(arrived)))
            assert kinds == Counter(
                added=report.added, replaced=report.replaced, unchanged=report.unchanged
            )
            assert report.generation == before + bool(report.added or report.replaced)
        for one in arrived:
            if model.get(one.id) != one:
                model.pop(one.id, None)  # it comes anew, behind the others
                model[one.id] = one
    read = Index.open(folder)
    assert read.entries == index.entries == tuple(model.values())
    np.testing.assert_array_equal(read.vectors, embed(model.values()))
    found = read.search(embed(model.values()), 1)
    assert [best.entry for [best] in found] == list(model.values())


def test_an_entry_equal_in_all_fields_keeps_its_vector(tmp_path, entry, embed, create):
    """Any other field makes it another: its attributes, too; another kind of mapping does not."""
    old, other = entry("a", domain="photo"), embed([entry("other")])
    index = create(tmp_path / "index", [old])
    same = Entry(old.id, old.sha256, old.image, MappingProxyType({"domain": "photo"}))
    assert (same, hash(same)) == (old, hash(old))
    assert index.apply(Change([same], other)).unchanged == 1
    np.testing.assert_array_equal(index.vectors, embed([old]))
    for changed in (
        Entry(old.id, "f" * 64, old.image, old.attributes),
        Entry(old.id, old.sha256, "elsewhere.png", old.attributes),
        Entry(old.id, old.sha256, old.image, {"domain": "sketch"}),
    ):
        again = create(tmp_path / changed.sha256 / str(changed.image) / str(hash(changed)), [old])
        assert again.apply(Change([changed], other)).replaced == 1
        np.testing.assert_array_equal(again.vectors, other)
        assert again.entries == (changed,)


def test_the_class_is_an_attribute(entry):
    """An image without one is of no class."""
    assert entry("a", **{"class": "wren", "domain": "photo"}).class_id == "wren"
    assert entry("a", domain="photo").class_id is None


def test_nothing_new_writes_nothing(tmp_path, entries, embed, create):
    """Changing nothing is counted and leaves the folder's bytes alone."""
    index = create(tmp_path / "index", entries)
    before = (tmp_path / "index/manifest.json").read_bytes()
    report = index.apply(Change(entries[:9], embed(entries[:9])))
    assert (report.added, report.replaced, report.unchanged, report.generation) == (0, 0, 9, 1)
    assert index.apply(Change()).generation == 1
    assert (tmp_path / "index/manifest.json").read_bytes() == before


def test_errors_are_kept_until_mended(tmp_path, entries, entry, embed, create):
    """A skipped image stays listed, once, until it is indexed."""
    broken = [{"image": "images/late.png", "reason": "truncated"}, {"image": "b", "reason": "c"}]
    index = create(tmp_path / "index", entries, errors=broken)
    index.apply(Change(errors=broken[:1]))
    assert (index.errors, index.generation) == (tuple(broken), 1)
    index.apply(Change(errors=[{"image": "d", "reason": "e"}]))
    late = [entry("late")]
    index.apply(Change(late, embed(late)))
    assert Index.open(tmp_path / "index").errors == (broken[1], {"image": "d", "reason": "e"})


def test_the_search_is_measured_on_the_latest_queries(tmp_path, entries, entry, embed, create):
    """On those that came last, else on those that were kept; on images where none ever came."""
    queries = embed([entry(f"query {number}") for number in range(30)])
    index = create(tmp_path / "index", entries, search="hnsw", queries=queries[:20])
    measured = index.choice.measured
    assert (measured.queries, measured.n, measured.count) == ("query modality", 20, 60)
    for arrived, used in ((None, 20), (queries, 30), (queries[:0], 30)):
        index = Index.open(tmp_path / "index")
        more = [entry(f"more {index.generation}")]
        index.apply(Change(more, embed(more), queries=arrived))
        measured = index.choice.measured
        assert (measured.queries, measured.n, measured.count) == (
            "query modality",
            used,
            index.count,
        )
    [kept] = (tmp_path / "index").glob("queries.*.npy")
    np.testing.assert_array_equal(np.load(kept), queries)
    alone = create(tmp_path / "alone", entries, search="hnsw")
    assert (alone.choice.measured.queries, alone.choice.measured.n) == ("gallery", 60)


def test_index_of_another_space_is_refused(tmp_path, entries, create):
    """The message names both spaces, the bundle and what to do; without a space, any is opened."""
    create(tmp_path / "index", entries)
    with pytest.raises(MismatchError, match="the bundle birds .*index the images again") as refused:
        Index.open(tmp_path / "index", "c" * 64)
    assert SPACE in str(refused.value)
    assert "c" * 64 in str(refused.value)
    assert Index.open(tmp_path / "index").space == SPACE


UNUSABLE = [
    (lambda e, v: (e, v * 1.01), "60 of 60 vectors are not unit vectors, first bird 0 with"),
    (lambda e, v: (e, v * 0.99), "60 of 60 vectors are not unit vectors, first bird 0 with"),
    (lambda e, v: (e, np.where(np.arange(60)[:, None] == 7, np.nan, v)), "first bird 7"),
    (lambda e, v: (e, v * 0), "norm 0"),
    (lambda e, v: (e[:-1], v), r"shape \(60, 8\), but \(59, 8\) is needed"),
    (lambda e, v: (e, v[0]), r"shape \(8,\)"),
    (lambda e, v: ([*e[:-1], e[3]], v), "the id bird 3 is given 2 times"),
    (lambda e, v: ([*e[:-1], Entry("", "0")], v), "empty id"),
    (lambda e, v: ([*e[:-1], Entry("\udcff", "0")], v), "not UTF-8"),
    (lambda e, v: ([*e[:-1], Entry("a", "0", "\udcff")], v), "'a' has a name that is not UTF-8"),
    (lambda e, v: ([*e[:-1], Entry("a", "0", None, {"class": "\udcff"})], v), "'a' .* not UTF-8"),
]


@pytest.mark.parametrize(("change", "message"), UNUSABLE)
def test_unusable_images_are_refused(tmp_path, entries, entry, embed, create, change, message):
    """Nothing is written, no index and no generation; the sentence names the image."""
    changed, vectors = change(entries, embed(entries))
    with pytest.raises(InputError, match=message):
        create(tmp_path / "new", changed, vectors=vectors)
    assert list(tmp_path.iterdir()) == []
    index = create(tmp_path / "index", [entry("old")])
    with pytest.raises(InputError, match=message):
        index.apply(Change(changed, vectors))
    assert (Index.open(tmp_path / "index").count, index.count) == (1, 1)


def test_nothing_to_index_is_refused(tmp_path, create):
    """An index holds at least one image; how many were skipped is told."""
    with pytest.raises(InputError, match="no image to index, 1 were skipped"):
        create(tmp_path / "index", [], errors=[{"image": "a", "reason": "b"}])


def test_vectors_of_another_length_are_refused(tmp_path, entry, create):
    """They are of another bundle."""
    index = create(tmp_path / "index", [entry("a")])
    with pytest.raises(InputError, match=r"shape \(1, 9\), but \(1, 8\) is needed"):
        index.apply(Change([entry("b")], np.eye(1, 9)))


@pytest.mark.parametrize(
    ("width", "options", "message"),
    [
        (DIM, {"k": 0}, "k is 0"),
        (DIM, {"k": 1, "ef": 0}, "ef is 0"),
        (DIM, {"k": 1, "ef": 50}, "ef 50 means nothing to exact search"),
        (DIM + 1, {"k": 1}, r"shape \(1, 9\), but \('any', 8\) is needed"),
    ],
)
def test_unusable_searches_are_refused(tmp_path, entries, create, width, options, message):
    """The sentence has the numbers."""
    index = create(tmp_path / "index", entries)
    with pytest.raises(InputError, match=message):
        index.search(np.eye(1, width, dtype=np.float32), **options)


def test_queries_that_are_not_finite_are_refused(tmp_path, entries, create):
    """NaN would compare false with every score."""
    index = create(tmp_path / "index", entries)
    with pytest.raises(InputError, match="row 1 with norm nan"):
        index.search(np.vstack([np.eye(1, DIM), np.full((1, DIM), np.nan)]), 3)


def test_embedded(tmp_path, entries, create):
    """Vectors come in the order asked for; an unknown id is named."""
    index = create(tmp_path / "index", entries)
    np.testing.assert_array_equal(index.embedded(["bird 9", "bird 2"])[0], index.vectors[[9, 2]])
    with pytest.raises(InputError, match="1 ids are not in .* first emu"):
        index.embedded(["bird 9", "emu"])
