"""What is known of files without reading them, and when it is not believed."""

from __future__ import annotations

import os
import time

import pytest

from zscr.artefact import hash_bytes
from zscr.data.hashes import Hashes


@pytest.fixture
def later(monkeypatch):
    """Let it be ten seconds later, by the clock of this process."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)


def test_a_settled_file_is_held_until_it_changes(tmp_path, later):
    """Whatever is done to hide it: same size, mtime set back, exchanged for another file."""
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    before = path.stat()
    hashes = Hashes(tmp_path / "hashes.json", tmp_path)
    assert hashes.known(path) is None
    sha256 = hashes.read(path)
    assert (sha256, hashes.known(path)) == (hash_bytes(b"one"), sha256)
    assert hashes.holds(path, sha256)
    assert not hashes.holds(path, hash_bytes(b"two"))
    hashes.keep(tmp_path, [path])
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = Hashes(tmp_path / "hashes.json", tmp_path)
    for one in (hashes, again):
        assert (one.known(path), one.holds(path, sha256)) == (None, False)
    path.unlink()
    assert not again.holds(path, sha256)


def test_a_file_of_this_moment_is_not_held(tmp_path):
    """It is known to this process, so that it is read once, and is not remembered."""
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    hashes = Hashes(tmp_path / "hashes.json", tmp_path)
    sha256 = hashes.read(path)
    assert hashes.known(path) == sha256
    assert not hashes.holds(path, sha256)
    hashes.keep(tmp_path, [path])
    assert not (tmp_path / "hashes.json").exists()


def test_what_is_remembered_moves_with_the_folder(tmp_path, later):
    """Paths are kept below the folder; a rename of it changes no file in it."""
    (tmp_path / "old/sub").mkdir(parents=True)
    path = tmp_path / "old/sub/a.png"
    path.write_bytes(b"one")
    hashes = Hashes(tmp_path / "hashes.json", tmp_path / "old")
    sha256 = hashes.read(path)
    hashes.keep(tmp_path / "old", [path])
    (tmp_path / "old").rename(tmp_path / "new")
    moved = Hashes(tmp_path / "hashes.json", tmp_path / "new")
    assert moved.known(tmp_path / "new/sub/a.png") == sha256
