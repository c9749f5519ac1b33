"""The index as its callers see it: upsert, search, the format, and what it refuses."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.artefact import file_entry, read_manifest, write_manifest
from zscr.errors import ArtefactError, InputError, MismatchError
from zscr.infer.index.index import Entry, Index
from zscr.infer.index.verify import verify_index

DIM = 8


def entry(name, version=0, class_id=None):
    sha256 = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
    return Entry(name, sha256, class_id, f"images/{name}.png")


def embed(entries):
    """A unit vector for each content."""
    rows = [np.random.default_rng(int(e.sha256, 16)).normal(size=DIM) for e in entries]
    vectors = np.array(rows).reshape(-1, DIM)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def create(folder, entries, **options):
    bundle = {"bundle_sha256": "b" * 64, "bundle_name": "birds"}
    return Index.create(folder, entries=entries, vectors=embed(entries), **bundle, **options)


@pytest.fixture
def entries():
    return [entry(f"bird {number}", class_id="wren") for number in range(60)]


def test_search_finds_the_best_first(tmp_path, entries):
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
def test_reopened_index_gives_the_same_answers(tmp_path, entries, search):
    """Entries, vectors, choice (with ef) and answers survive the disk; a pinned search stays."""
    options = {"search": search, "queries": embed([entry("query")]), "errors": [{"image": "x"}]}
    made = create(tmp_path / "index", entries, **options)
    read = Index.open(tmp_path / "index", bundle_sha256="b" * 64)
    queries = embed([entry("a"), entry("b")])
    assert read.search(queries, 7) == made.search(queries, 7)
    assert (read.entries, read.choice, read.errors) == (made.entries, made.choice, made.errors)
    read.add([entry("late")], embed([entry("late")]))
    assert (read.choice.search, read.choice.pinned) == (search, True)
    assert read.search(embed([entry("late")]), 1)[0][0].entry.id == "late"


def test_graph_and_exact_answers_agree(tmp_path, entries):
    """On a gallery that a graph covers wholly, asking for exact search changes nothing."""
    index = create(tmp_path / "index", entries, search="hnsw")
    queries = embed([entry(str(number)) for number in range(20)])
    assert index.search(queries, 60, ef=200) == index.search(queries, 60, exact=True)


ARRIVALS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 2)), max_size=5, unique_by=lambda a: a[0]
)


@settings(max_examples=25)
@given(
    st.lists(ARRIVALS, min_size=2, max_size=4).filter(lambda batches: batches[0]),
    st.sampled_from([None, "hnsw"]),
)
def test_upsert_equals_a_dict(tmp_path_factory, batches, search):
    """After any batches the index is the dict of what came last, in order of first arrival."""
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
            report, before = index.add(arrived, embed(arrived)), index.generation
            assert kinds == Counter(
                added=report.added, replaced=report.replaced, unchanged=report.unchanged
            )
            assert report.generation == before
        model |= {e.id: e for e in arrived}
    read = Index.open(folder)
    assert read.entries == index.entries == tuple(model.values())
    np.testing.assert_array_equal(read.vectors, embed(model.values()))
    found = read.search(embed(model.values()), 1)
    assert [best.entry for [best] in found] == list(model.values())


def test_nothing_new_writes_nothing(tmp_path, entries):
    """Adding what is there already is counted and leaves the folder's bytes alone."""
    index = create(tmp_path / "index", entries)
    before = (tmp_path / "index/manifest.json").read_bytes()
    report = index.add(entries[:9], embed(entries[:9]))
    assert (report.added, report.replaced, report.unchanged, report.generation) == (0, 0, 9, 1)
    assert (tmp_path / "index/manifest.json").read_bytes() == before


def test_errors_are_kept_until_mended(tmp_path, entries):
    """A skipped image stays listed, once, until it is indexed."""
    broken = [{"image": "images/late.png", "reason": "truncated"}, {"image": "b", "reason": "c"}]
    index = create(tmp_path / "index", entries, errors=broken)
    index.add([], np.empty((0, DIM)), errors=broken[:1])
    assert (index.errors, index.generation) == (tuple(broken), 1)
    index.add([entry("late")], embed([entry("late")]))
    assert Index.open(tmp_path / "index").errors == (broken[1],)


def test_format(tmp_path):
    """The files can be read by numpy and line by line, as a C++ program would."""
    one = Entry("a\u2028b", "f" * 64, "wren", "a b.png")
    create(tmp_path / "index", [one, entry("c")], search="hnsw")
    lines = (tmp_path / "index/ids.1.jsonl").read_bytes().split(b"\n")
    row = '{"id": "a\u2028b", "sha256": "' + "f" * 64 + '", "class": "wren", "image": "a b.png"}'
    assert lines[0] == row.encode()
    assert np.load(tmp_path / "index/vectors.1.npy").shape == (2, DIM)
    manifest = json.loads((tmp_path / "index/manifest.json").read_bytes())
    expected = {"kind": "index", "metric": "cosine", "dim": DIM, "count": 2, "generation": 1}
    expected |= {"search": "hnsw", "M": 16, "ef_construction": 200, "bundle_sha256": "b" * 64}
    assert expected.items() <= manifest.items()
    assert manifest["ef"] >= 10
    assert manifest["measured"]["recall_at_10"] == 1.0
    assert Index.open(tmp_path / "index").entries[0] == one


def test_any_flipped_byte_is_refused(tmp_path, entries):
    """One changed byte anywhere is an ArtefactError, as is a short or a missing file."""
    options = {"queries": embed([entry("query")]), "errors": [{"image": "x", "reason": "y"}]}
    create(tmp_path / "index", entries, search="hnsw", **options)
    files = sorted(path for path in (tmp_path / "index").iterdir())
    assert len(files) == 6
    for path in files:
        sound = path.read_bytes()
        for position in np.unique(np.linspace(0, len(sound) - 1, 150).astype(int)):
            damaged = bytearray(sound)
            damaged[position] ^= 1
            path.write_bytes(damaged)
            with pytest.raises(ArtefactError):
                Index.open(tmp_path / "index")
        path.write_bytes(sound[:-2])
        with pytest.raises(ArtefactError):
            Index.open(tmp_path / "index")
        path.unlink()
        with pytest.raises(ArtefactError):
            Index.open(tmp_path / "index")
        path.write_bytes(sound)
    assert Index.open(tmp_path / "index").count == 60


def test_damaged_graph_is_not_extended(tmp_path, entries):
    """A graph that was damaged after opening is not handed to hnswlib by `add`."""
    index = create(tmp_path / "index", entries, search="hnsw")
    graph = tmp_path / "index/graph.1.hnsw"
    graph.write_bytes(graph.read_bytes()[:96] + bytes(graph.stat().st_size - 96))
    with pytest.raises(ArtefactError, match=r"graph\.1\.hnsw is damaged"):
        index.add([entry("late")], embed([entry("late")]))


def test_index_of_another_bundle_is_refused(tmp_path, entries):
    """The message names both bundles."""
    create(tmp_path / "index", entries)
    with pytest.raises(MismatchError, match=f"birds .{'b' * 64}., not with {'c' * 64}"):
        Index.open(tmp_path / "index", bundle_sha256="c" * 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e, v: (e, v * 1.01), "60 of 60 vectors are not unit vectors, first bird 0 with"),
        (lambda e, v: (e, np.where(np.arange(60)[:, None] == 7, np.nan, v)), "first bird 7"),
        (lambda e, v: (e, v * 0), "norm 0"),
        (lambda e, v: (e[:-1], v), r"shape \(60, 8\), but \(59, 8\) is needed"),
        (lambda e, v: (e, v[0]), r"shape \(8,\)"),
        (lambda e, v: ([*e[:-1], e[3]], v), "the id bird 3 is given 2 times"),
        (lambda e, v: ([*e[:-1], Entry("", "0")], v), "empty id"),
        (lambda e, v: ([*e[:-1], Entry("\udcff", "0")], v), "not UTF-8"),
        (lambda e, v: ([], v[:0]), "no image to index"),
    ],
)
def test_unusable_images_are_refused(tmp_path, entries, change, message):
    """Nothing is written, and the sentence names the image."""
    changed, vectors = change(entries, embed(entries))
    bundle = {"bundle_sha256": "b", "bundle_name": "birds"}
    with pytest.raises(InputError, match=message):
        Index.create(tmp_path / "index", entries=changed, vectors=vectors, **bundle)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("width", "options", "message"),
    [
        (DIM, {"k": 0}, "k is 0"),
        (DIM, {"k": 1, "ef": 0}, "ef is 0"),
        (DIM, {"k": 1, "ef": 50}, "ef 50 means nothing to exact search"),
        (DIM + 1, {"k": 1}, r"shape \(1, 9\), but \('any', 8\) is needed"),
    ],
)
def test_unusable_searches_are_refused(tmp_path, entries, width, options, message):
    """The sentence has the numbers."""
    index = create(tmp_path / "index", entries)
    with pytest.raises(InputError, match=message):
        index.search(np.eye(1, width, dtype=np.float32), **options)


def test_queries_that_are_not_finite_are_refused(tmp_path, entries):
    """NaN would compare false with every score."""
    index = create(tmp_path / "index", entries)
    with pytest.raises(InputError, match="row 1 with norm nan"):
        index.search(np.vstack([np.eye(1, DIM), np.full((1, DIM), np.nan)]), 3)


def test_vectors_of(tmp_path, entries):
    """Vectors come in the order asked for; an unknown id is named."""
    index = create(tmp_path / "index", entries)
    np.testing.assert_array_equal(index.vectors_of(["bird 9", "bird 2"]), index.vectors[[9, 2]])
    with pytest.raises(InputError, match="1 ids are not in .* first emu"):
        index.vectors_of(["bird 9", "emu"])


@pytest.mark.parametrize("search", ["exact", "hnsw"])
def test_verify(tmp_path, entries, search):
    """A sound index finds its own images, twins included."""
    create(tmp_path / "index", [*entries, Entry("twin", entries[0].sha256)], search=search)
    report = verify_index(tmp_path / "index")
    assert (report.count, report.dim, report.generation, report.sample) == (61, DIM, 1, 61)
    assert report.self_recall == 1.0


def forge(folder, name, content):
    """Replace a file and make the manifest agree."""
    (folder / name).write_bytes(content)
    manifest = read_manifest(folder, "index")
    files = {**manifest.files, name: file_entry(folder / name)}
    write_manifest(folder, manifest.kind, files, manifest.body)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vectors.1.npy", npy(np.eye(60, DIM))),
        ("vectors.1.npy", npy(np.eye(61, DIM, dtype=np.float32))),
        ("vectors.1.npy", npy(np.array([{}]))),
        ("vectors.1.npy", npy(np.eye(60, DIM, dtype=np.float32))[:-4]),
        ("ids.1.jsonl", b'{"id": "a", "sha256": "0"}\n'),
        ("ids.1.jsonl", b'{"id": "a", "sha256": "0"}\n' * 60),
        ("ids.1.jsonl", b'{"id": "a"}\n' * 60),
        ("ids.1.jsonl", b"\xff"),
        ("graph.1.hnsw", b"graph"),
        ("extra.1.npy", b"extra"),
    ],
)
def test_contradictions_are_refused(tmp_path, entries, name, content):
    """Files whose checksums are right are still compared with what the manifest says they hold."""
    create(tmp_path / "index", entries, search="hnsw")
    forge(tmp_path / "index", name, content)
    with pytest.raises(ArtefactError):
        Index.open(tmp_path / "index")


def test_verify_measures_the_norms(tmp_path, entries):
    """Vectors that are not unit vectors have the right checksums and give wrong scores."""
    index = create(tmp_path / "index", entries)
    forge(tmp_path / "index", "vectors.1.npy", npy(index.vectors * np.float32(1.1)))
    with pytest.raises(ArtefactError, match="60 of 60 vectors are not unit vectors"):
        verify_index(tmp_path / "index")
