"""HNSW's file is proved once: what was proved is believed until the file or its rows change."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.infer.index.conftest import SPACE, agree
from zscr.artefact import read_manifest
from zscr.blocks import MappedFile
from zscr.errors import ArtefactError
from zscr.infer.index.choice import EF_CONSTRUCTION, M
from zscr.infer.index.hnsw_file import HEADER, Shape
from zscr.infer.index.hnsw_of import _fact
from zscr.infer.index.index import Change, Index
from zscr.proven import verifying

COUNT, DIM = 1100, 48  # its HNSW has over 256 KiB, so that it is remembered; a removal keeps it
NONE = "is no HNSW of these vectors"


@pytest.fixture
def folder(tmp_path, monkeypatch, clustered, entry):
    """An index with HNSW, ten seconds after it was made, and facts of the test's own."""
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path / "cache"))
    about = {"space": SPACE, "bundle_name": "b", "search": "hnsw"}
    entries = [entry(f"{number}") for number in range(COUNT)]
    vectors = clustered(COUNT, DIM)
    Index.create(tmp_path / "index", entries=entries, vectors=vectors, **about)
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)
    return tmp_path / "index"


def spoil(folder):
    """Change one vector in the file a little, and let the manifest agree; return the file."""
    [path] = folder.glob("hnsw.*")
    raw = bytearray(path.read_bytes())
    node = Shape(COUNT, DIM, M, EF_CONSTRUCTION).node
    np.frombuffer(raw, node, COUNT, HEADER.itemsize)["vector"][7, 0] += 1e-6
    path.write_bytes(raw)
    agree(folder, path.name)
    return path


def load(folder):
    """Open an index, and load its HNSW."""
    return Index.open(folder).now.hnsw.labels


def test_what_was_proved_is_believed_until_it_changes(folder, capsys):
    """As one shows that is told something wrong; not by whoever proves all, nor of other rows."""
    path = spoil(folder)
    load(folder)
    assert NONE in capsys.readouterr().err
    manifest = read_manifest(folder, "index")
    file = MappedFile(path, manifest.files[path.name]["sha256"])
    file.remember()
    file.remember(_fact(manifest, Index.open(folder).now.stack))
    np.testing.assert_array_equal(load(folder), np.arange(COUNT))
    assert NONE not in capsys.readouterr().err
    with verifying():
        load(folder)
    assert NONE in capsys.readouterr().err
    Index.open(folder).apply(Change(removals=["5"]))  # which leaves the file as it is
    load(folder)
    assert NONE not in capsys.readouterr().err
    Index.open(folder).compact()  # other segments hold what it covers
    load(folder)
    assert NONE in capsys.readouterr().err


def test_a_load_remembers_what_it_proved(folder):
    """Of the file and of its rows, and of neither where it is damaged afterwards."""
    manifest = read_manifest(folder, "index")
    [name] = (name for name in manifest.files if name.startswith("hnsw."))
    fact = _fact(manifest, Index.open(folder).now.stack)

    def known():
        file = MappedFile(folder / name, manifest.files[name]["sha256"])
        return file.is_proven(), file.is_proven(fact)

    assert known() == (False, False)
    load(folder)
    assert known() == (True, True)
    held = Index.open(folder)
    raw = bytearray((folder / name).read_bytes())
    raw[-1] ^= 1
    (folder / name).write_bytes(raw)  # which was proved, and opened, before
    assert known() == (False, False)
    with pytest.raises(ArtefactError, match=r"hnsw.1.bin is damaged; run 'zscr index repair"):
        _ = held.now.hnsw.labels


def test_rows_that_have_ended_are_compared_too(folder, capsys):
    """What is remembered holds for all rows of the segments, whichever end later."""
    spoil(folder)
    Index.open(folder).apply(Change(removals=["7"]))
    capsys.readouterr()
    load(folder)
    assert NONE in capsys.readouterr().err
