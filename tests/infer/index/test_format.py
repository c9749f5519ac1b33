"""The files of an index: plain to read, and refused before use where anything is wrong."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from zscr.artefact import file_entry, read_manifest, write_manifest
from zscr.errors import ArtefactError
from zscr.infer.index.index import Change, Entry, Index
from zscr.infer.index.verify import verify_index

DIM = 8


def test_format(tmp_path, entry, create):
    """The files can be read by numpy and line by line, as a C++ program would."""
    one = Entry("a\u2028b", "f" * 64, "a b.png", {"class": "wren"})
    create(tmp_path / "index", [one, entry("c")], search="hnsw")
    lines = (tmp_path / "index/entries.1.jsonl").read_bytes().split(b"\n")
    row = '{"id": "a\u2028b", "sha256": "' + "f" * 64 + '", "image": "a b.png", '
    assert lines[0] == (row + '"attributes": {"class": "wren"}}').encode()
    assert [*json.loads(lines[1])] == ["id", "sha256", "image"]
    assert np.load(tmp_path / "index/vectors.1.npy").shape == (2, DIM)
    manifest = json.loads((tmp_path / "index/manifest.json").read_bytes())
    expected = {"kind": "index", "schema": 4, "metric": "cosine", "dim": DIM, "count": 2}
    expected |= {"generation": 1, "space": "b" * 64, "bundle_name": "birds"}
    expected |= {"search": "hnsw", "M": 16, "ef_construction": 200}
    assert expected.items() <= manifest.items()
    assert manifest["ef"] >= 10
    assert manifest["measured"]["recall_at_10"] == 1.0
    assert sorted(manifest["files"]) == ["entries.1.jsonl", "hnsw.1.bin", "vectors.1.npy"]
    assert Index.open(tmp_path / "index").entries[0] == one


def test_any_flipped_byte_is_refused(tmp_path, entries, entry, embed, create):
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


def test_damaged_hnsw_is_not_extended(tmp_path, entries, entry, embed, create):
    """A file that was damaged after opening is not handed to hnswlib by a change."""
    index = create(tmp_path / "index", entries, search="hnsw")
    path = tmp_path / "index/hnsw.1.bin"
    path.write_bytes(path.read_bytes()[:96] + bytes(path.stat().st_size - 96))
    with pytest.raises(ArtefactError, match=r"hnsw\.1\.bin is damaged"):
        index.apply(Change([entry("late")], embed([entry("late")])))


@pytest.mark.parametrize("search", ["exact", "hnsw"])
def test_verify(tmp_path, entries, create, search):
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


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vectors.1.npy", npy(np.eye(60, DIM))),
        ("vectors.1.npy", npy(np.eye(61, DIM, dtype=np.float32))),
        ("vectors.1.npy", npy(np.array([{}]))),
        ("vectors.1.npy", npy(np.eye(60, DIM, dtype=np.float32))[:-4]),
        ("entries.1.jsonl", lines({"id": "a", "sha256": "0"})),
        ("entries.1.jsonl", lines(*[{"id": "a", "sha256": "0"}] * 60)),
        ("entries.1.jsonl", lines(*[{"id": str(n)} for n in range(60)])),
        (
            "entries.1.jsonl",
            lines(*[{"id": str(n), "sha256": "0", "attributes": "class"} for n in range(60)]),
        ),
        ("entries.1.jsonl", b"\xff"),
        ("extra.1.npy", b"extra"),
    ],
)
def test_contradictions_are_refused(tmp_path, entries, create, name, content):
    """Files whose checksums are right are still compared with what the manifest says they hold."""
    create(tmp_path / "index", entries, search="hnsw")
    forge(tmp_path / "index", name, content)
    with pytest.raises(ArtefactError):
        Index.open(tmp_path / "index")


def test_a_manifest_without_a_space_is_refused(tmp_path, entries, create):
    """It cannot be told what such an index belongs to."""
    create(tmp_path / "index", entries)
    manifest = read_manifest(tmp_path / "index", "index")
    body = {key: value for key, value in manifest.body.items() if key != "space"}
    write_manifest(tmp_path / "index", "index", manifest.files, body)
    with pytest.raises(ArtefactError, match="lacks 'space'"):
        Index.open(tmp_path / "index")


def test_verify_measures_the_norms(tmp_path, entries, create):
    """Vectors that are not unit vectors have the right checksums and give wrong scores."""
    index = create(tmp_path / "index", entries)
    forge(tmp_path / "index", "vectors.1.npy", npy(index.vectors * np.float32(1.1)))
    with pytest.raises(ArtefactError, match="60 of 60 vectors are not unit vectors"):
        verify_index(tmp_path / "index")


def test_an_hnsw_over_other_vectors_is_built_anew(tmp_path, entries, create, capsys):
    """Its checksum is right, its vectors are others: it is not believed, and that is said."""
    create(tmp_path / "index", entries, search="hnsw")
    create(tmp_path / "other", entries[::-1], search="hnsw")
    forge(tmp_path / "index", "hnsw.1.bin", (tmp_path / "other/hnsw.1.bin").read_bytes())
    assert verify_index(tmp_path / "index").self_recall == 1.0
    assert "hnsw.1.bin is no graph of these vectors" in capsys.readouterr().err
