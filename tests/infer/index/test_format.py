"""The files of an index: plain to read, and refused before use where anything is wrong."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.infer.index.conftest import agree, forge
from zscr.artefact import read_manifest, write_manifest
from zscr.errors import ArtefactError
from zscr.infer.index.index import Change, Entry, Index
from zscr.infer.index.upkeep.verify import verify_index

DIM = 8


def test_format(tmp_path, entry, create):
    """The library of safetensors reads a segment; its lines, keys and labels are those told of."""
    one = Entry("a\u2028b", "f" * 64, "a b.png", {"class": "wren"})
    create(tmp_path / "index", [one, entry("c")], search="hnsw")
    held = load_file(tmp_path / "index/segment.1.safetensors")
    lines = held["entries"].tobytes().split(b"\n")
    row = '{"id": "a\u2028b", "sha256": "' + "f" * 64 + '", "image": "a b.png", '
    assert lines[0] == (row + '"attributes": {"class": "wren"}}').encode()
    assert [*json.loads(lines[1])] == ["id", "sha256", "image"]
    assert held["starts"].tolist() == [0, len(lines[0]) + 1, held["entries"].nbytes]
    assert (held["vectors"].shape, held["labels"].tolist()) == ((2, DIM), [0, 1])
    digests = [hashlib.sha256(name.encode()).digest() for name in (one.id, "c")]
    keys = [int.from_bytes(digest[:8], "little", signed=True) for digest in digests]
    assert held["keys"].tolist() == sorted(keys)
    assert [keys[row] for row in held["order"]] == sorted(keys)
    manifest = json.loads((tmp_path / "index/manifest.json").read_bytes())
    expected = {"kind": "index", "schema": 5, "metric": "cosine", "dim": DIM, "count": 2}
    expected |= {"generation": 1, "space": "b" * 64, "bundle_name": "birds"}
    expected |= {"search": "hnsw", "M": 16, "ef_construction": 200, "stored": "float32"}
    expected["segments"] = [{"number": 1, "count": 2, "removed": 0, "in_hnsw": True}]
    assert expected.items() <= manifest.items()
    assert manifest["ef"] >= 10
    assert manifest["measured"]["recall_at_10"] == 1.0
    assert sorted(manifest["files"]) == ["hnsw.1.bin", "segment.1.safetensors"]
    assert Index.open(tmp_path / "index").entries[0] == one


def use(folder):
    """Open an index, and look at all that it has."""
    index = Index.open(folder)
    index.search(index.vectors[:3], 5)
    index.prove()
    return [*index.entries]


def test_any_flipped_byte_is_refused(tmp_path, entries, entry, embed, create):
    """One changed byte anywhere is an ArtefactError, as is a short or a missing file."""
    options = {"queries": embed([entry("query")]), "errors": [{"image": "x", "reason": "y"}]}
    create(tmp_path / "index", entries, search="hnsw", **options)
    files = sorted(path for path in (tmp_path / "index").iterdir())
    assert len(files) == 5
    for path in files:
        sound = path.read_bytes()
        for position in np.unique(np.linspace(0, len(sound) - 1, 150).astype(int)):
            damaged = bytearray(sound)
            damaged[position] ^= 1
            path.write_bytes(damaged)
            with pytest.raises(ArtefactError):
                use(tmp_path / "index")
        path.write_bytes(sound[:-2])
        with pytest.raises(ArtefactError):
            use(tmp_path / "index")
        path.unlink()
        with pytest.raises(ArtefactError):
            use(tmp_path / "index")
        path.write_bytes(sound)
    assert len(use(tmp_path / "index")) == 60


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


def lines(*rows):
    text = [json.dumps(row).encode() + b"\n" for row in rows]
    starts = np.concatenate([[0], np.cumsum([len(line) for line in text])]).astype(np.int64)
    return {"entries": np.frombuffer(b"".join(text), np.uint8), "starts": starts}


@pytest.mark.parametrize(
    "tensors",
    [
        {"vectors": np.eye(60, 7, dtype=np.float32)},
        {"vectors": np.eye(61, DIM, dtype=np.float32)},
        {"vectors": np.eye(60, DIM, dtype=np.float16)},
        {"vectors": np.full((60, DIM), np.nan, np.float32)},
        {"without": "vectors"},
        {"labels": np.zeros(60, np.int64)},
        {"labels": np.arange(60) - 1},
        {"labels": np.arange(60) + 1},  # 60 is yet to be given
        {"keys": np.arange(60)[::-1].copy()},
        {"order": np.zeros(60, np.int64)},
        {"order": np.arange(60) + 1},
        {"removed": np.array([3, 3])},
        {"removed": np.array([7])},  # of which the manifest does not know
        {"starts": np.arange(61)},
        {"extra": np.arange(3)},
        lines({"id": "a", "sha256": "0"}),
        lines(*[{"id": str(n)} for n in range(60)]),
        lines(*[{"id": str(n), "sha256": "0", "attributes": "class"} for n in range(60)]),
        lines(*[{"id": "", "sha256": "0"} for n in range(60)]),
    ],
)
def test_contradictions_are_refused(tmp_path, entries, create, tensors):
    """Tensors whose checksums are right are compared with what they must be, before any use."""
    create(tmp_path / "index", entries, search="hnsw")
    forge(tmp_path / "index", **tensors)
    with pytest.raises(ArtefactError):
        use(tmp_path / "index")


@pytest.mark.parametrize(
    "change",
    [
        lambda header, body: (header + 1, body),
        lambda header, body: (1 << 40, body),
        lambda header, body: (header, body[:20]),
        lambda header, body: (header, body.replace(b'"F32"', b'"F64"')),
        lambda header, body: (header, body.replace(b'"labels"', b'"vectors"')),
    ],
)
def test_files_that_are_no_tensors_are_refused(tmp_path, entries, create, change):
    """A header of a right checksum says neither what is allocated nor what is read."""
    create(tmp_path / "index", entries)
    path = tmp_path / "index/segment.1.safetensors"
    raw = path.read_bytes()
    header, body = change(int.from_bytes(raw[:8], "little"), raw[8:])
    path.write_bytes(header.to_bytes(8, "little") + body)
    agree(tmp_path / "index", path.name)
    with pytest.raises(ArtefactError, match="contradicts its manifest"):
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
    forge(tmp_path / "index", vectors=np.asarray(index.vectors) * np.float32(1.1))
    with pytest.raises(ArtefactError, match="60 of 60 vectors are not unit vectors"):
        verify_index(tmp_path / "index")


def test_an_hnsw_over_other_vectors_is_built_anew(tmp_path, entries, create, capsys):
    """Its checksum is right, its vectors are others: it is not believed, and that is said."""
    create(tmp_path / "index", entries, search="hnsw")
    create(tmp_path / "other", entries[::-1], search="hnsw")
    shutil.copy(tmp_path / "other/hnsw.1.bin", tmp_path / "index/hnsw.1.bin")
    agree(tmp_path / "index", "hnsw.1.bin")
    assert verify_index(tmp_path / "index").self_recall == 1.0
    assert "hnsw.1.bin is no HNSW of these vectors" in capsys.readouterr().err
