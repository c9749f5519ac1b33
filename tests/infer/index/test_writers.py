"""Writers that are killed, late, or many: no state but the old and the new is ever seen."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from zscr.artefact import read_manifest, write_manifest
from zscr.errors import ArtefactError
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.index import Change, Entry, Index
from zscr.lock import LOCK, writer_lock

# Makes or changes an index; kills itself with -9 just before the n-th call that touches the disk.
WRITER = """
import os, signal, sys
from pathlib import Path
import numpy as np
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.index import Change, Entry, Index

verb, folder, left = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

def dying(call):
    def wrapped(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return wrapped

index = Index.open(folder) if verb == "apply" else None
for name in ("fsync", "replace", "rename", "unlink", "mkdir"):
    setattr(os, name, dying(getattr(os, name)))
vectors = np.eye(6, dtype=np.float32)
entries = [Entry(name, "new") for name in "abcdef"]
if index:
    index.apply(Change(entries, vectors, features=vectors))
else:
    about = {"space": "b", "bundle_name": "birds", "search": "hnsw", "diffusion": Diffusion()}
    Index.create(folder, entries=entries, vectors=vectors, features=vectors, **about)
"""


def killed(verb, folder, calls):
    """Run the writer; tell whether it died, rather than finished, at that call."""
    command = [sys.executable, "-c", WRITER, verb, str(folder), str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def create(folder, names="abc"):
    entries = [Entry(name, "old") for name in names]
    vectors = np.eye(len(names), 6, dtype=np.float32)
    about = {"space": "b", "bundle_name": "birds", "search": "hnsw", "diffusion": Diffusion()}
    return Index.create(folder, entries=entries, vectors=vectors, features=vectors, **about)


def one(name, place=5):
    """A change that adds one image."""
    vectors = np.eye(1, 6, k=place)
    return Change([Entry(name, name)], vectors, features=vectors)


def contents(folder):
    """What an index holds, and the names of the files that this needs."""
    index = Index.open(folder)
    files = [*read_manifest(folder, "index").files]
    assert len(files) == 2  # all of it is diffused anew: one segment, one HNSW
    state = {entry.id: entry.sha256 for entry in index.entries}
    assert [m.entry.id for [m] in index.search(index.vectors, 1)] == list(state)
    return state, sorted([*files, "manifest.json", LOCK])


def test_killed_change_leaves_the_old_or_the_new(tmp_path):
    """Killed at any call to the disk, a change is done or undone; the next one cleans up."""
    old, new = dict.fromkeys("abc", "old"), dict.fromkeys("abcdef", "new")
    seen = []
    for calls in range(100):
        folder = tmp_path / str(calls)
        create(folder)
        died = killed("apply", folder, calls)
        state, _ = contents(folder)
        assert state in (old, new)
        seen.append(state == new)
        last = np.full((1, 6), 6**-0.5)
        Index.open(folder).apply(Change([Entry("z", "z")], last, features=last))
        state, files = contents(folder)
        assert state == (new if seen[-1] else old) | {"z": "z"}
        assert sorted(os.listdir(folder)) == files
        if not died:
            break
    assert not died
    assert seen == sorted(seen)  # one commit point: undone before it, done after
    assert seen.count(False) >= 5
    assert seen.count(True) >= 3


def test_killed_create_leaves_all_or_nothing(tmp_path):
    """Killed at any call to the disk, `create` has made the whole index or none; redoing works."""
    folder = tmp_path / "index"
    undone = 0
    while killed("create", folder, undone) and not folder.exists():
        create(folder)
        assert os.listdir(tmp_path) == ["index"]  # and nothing of the dead writer's
        shutil.rmtree(folder)
        undone += 1
    assert undone >= 5
    assert contents(folder)[0] == dict.fromkeys("abcdef", "new")


def test_files_are_synced_before_the_commit(tmp_path, monkeypatch):
    """When the manifest is replaced, every file that it names has reached the disk."""
    index = create(tmp_path / "index")
    synced, at_commit = [], []
    fsync, rename = os.fsync, os.replace

    def spy_fsync(handle):
        synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    def spy_replace(source, target):
        at_commit.extend(synced)
        rename(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "replace", spy_replace)
    index.apply(one("z"))
    assert {"segment.2.safetensors", "hnsw.2.bin", "index"} <= set(at_commit)
    assert synced[-1] == "index"


def test_failed_change_changes_nothing(tmp_path, monkeypatch):
    """A full disk is one sentence; the index in memory and on the disk stays as it was."""
    index = create(tmp_path / "index")
    before = contents(tmp_path / "index")[0]

    def full(handle):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ArtefactError, match="the disk is full"):
            index.apply(one("z"))
    assert index.generation == 1
    state, files = contents(tmp_path / "index")
    assert (state, sorted(os.listdir(tmp_path / "index"))) == (before, files)
    assert index.apply(one("z")).generation == 2


def test_busy_writer_is_named(tmp_path):
    """A second writer is refused while the first holds the lock, and welcome afterwards."""
    index = create(tmp_path / "index")
    with (
        writer_lock(tmp_path / "index"),
        pytest.raises(ArtefactError, match=f"process {os.getpid()} "),
    ):
        index.apply(one("z"))
    assert index.apply(one("z")).added == 1


def test_stale_writer_is_refused(tmp_path):
    """Who opened before another's commit must open again, so that no update is overwritten."""
    first, second = create(tmp_path / "index"), Index.open(tmp_path / "index")
    first.apply(one("y", 4))
    with pytest.raises(ArtefactError, match="at generation 2 .* read generation 1"):
        second.apply(one("z"))
    Index.open(tmp_path / "index").apply(one("z"))
    assert [*contents(tmp_path / "index")[0]] == [*"abcyz"]


def test_a_commit_that_the_lock_did_not_stop_is_not_overwritten(tmp_path, monkeypatch):
    """As on a network disk: another writer commits while this one writes its files."""
    index, fsync = create(tmp_path / "index"), os.fsync
    manifest = read_manifest(tmp_path / "index", "index")

    def meanwhile(handle):
        monkeypatch.setattr(os, "fsync", fsync)
        body = {**manifest.body, "generation": 7}
        write_manifest(tmp_path / "index", "index", manifest.files, body)

    monkeypatch.setattr(os, "fsync", meanwhile)
    with pytest.raises(ArtefactError, match="at generation 7 by another writer"):
        index.apply(one("z"))
    assert read_manifest(tmp_path / "index", "index").body["generation"] == 7


def test_index_made_anew_is_not_overwritten(tmp_path):
    """The same generation number of another index is another state."""
    folder = tmp_path / "index"
    stale = create(folder)
    folder.rename(tmp_path / "gone")
    create(folder, "xyz")
    with pytest.raises(ArtefactError, match="open it again"):
        stale.apply(one("q"))


def test_many_writers_and_a_reader(tmp_path):
    """Writers that retry lose no update, and a reader meanwhile always finds a whole generation."""
    folder = tmp_path / "index"
    create(folder)
    names = [hashlib.sha256(bytes([n])).hexdigest()[:8] for n in range(24)]

    def write(mine):
        for name in mine:
            while True:
                try:
                    Index.open(folder).apply(one(name))
                    break
                except ArtefactError as error:
                    if not re.search("another writer|is writing to", str(error)):
                        raise

    counts = []
    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, names[start::3]) for start in range(3)]
        while not all(writer.done() for writer in writers):
            counts.append(Index.open(folder).count)
    for writer in writers:
        writer.result()
    assert counts == sorted(counts)
    assert {entry.id for entry in Index.open(folder).entries} == {*"abc", *names}


def test_threads_that_share_an_index_lose_no_update(tmp_path):
    """One object, many threads: each change starts from what the one before has committed."""
    index = create(tmp_path / "index")
    names = [hashlib.sha256(bytes([n])).hexdigest()[:8] for n in range(24)]

    def write(name):
        while True:
            try:
                return index.apply(one(name)).added
            except ArtefactError as error:
                if "is writing to" not in str(error):
                    raise

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, names)) == [1] * 24
    assert index.generation == 25
    assert {entry.id for entry in Index.open(tmp_path / "index").entries} == {*"abc", *names}


def test_an_open_index_stays_what_it_is(tmp_path):
    """Another's commit, which deletes its files and moves its images, changes no answer."""
    create(tmp_path / "index")
    reader, queries = Index.open(tmp_path / "index"), np.eye(6, dtype=np.float32)
    before = reader.search(queries, 3)
    moved = [Entry(name, "new") for name in "abc"]
    rows = np.eye(6, dtype=np.float32)[3:]
    Index.open(tmp_path / "index").apply(Change(moved, rows, features=rows))
    assert reader.search(queries, 3) == before
    assert Index.open(tmp_path / "index").search(queries, 3) != before


def test_hnsw_that_came_out_short_is_not_committed(small_disk):
    """hnswlib does not notice a full disk; the old generation lives and nothing else is left."""
    vectors = np.random.default_rng(0).normal(size=(1700, 64))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    entries = [Entry(f"{n}", "0") for n in range(1700)]
    about = {"space": "b", "bundle_name": "birds", "search": "hnsw"}
    index = Index.create(small_disk / "index", entries=entries[:9], vectors=vectors[:9], **about)
    with pytest.raises(ArtefactError, match=r"only \d+ of \d+ bytes of .*hnsw\.2\.bin"):
        index.apply(Change(entries, vectors))
    assert (index.generation, Index.open(small_disk / "index").count) == (1, 9)
    files = {"manifest.json", LOCK, "hnsw.1.bin", "segment.1.safetensors"}
    assert set(os.listdir(small_disk / "index")) == files
