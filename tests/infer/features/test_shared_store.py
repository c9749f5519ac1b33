"""A store that several processes use at once, or that cannot be written to."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from zscr.errors import ArtefactError
from zscr.infer.features.store import Source, compute_features
from zscr.lock import LOCK

# An encoder of texts that takes its time; prints how many it has encoded, and what it got.
WORK = """
import json, sys, time
from pathlib import Path
import numpy as np
from zscr.infer.features.store import Source, compute_features

class Lengths:
    name, sha256, row_shape, count = "lengths", "0" * 64, (1,), 0
    dtype = np.dtype(np.float32)
    def encode(self, queries, batch_size):
        time.sleep(0.05)
        self.count += len(queries)
        return np.array([[len(query.text)] for query in queries], np.float32).reshape(-1, 1)

first, last = int(sys.argv[2]), int(sys.argv[3])
encoder, sources = Lengths(), [Source.text("a" * n) for n in range(first, last)]
found = compute_features(Path(sys.argv[1]), encoder, sources, shard=2)
rows = found.take(source.key for source in sources)[:, 0].tolist()
print(json.dumps([encoder.count, rows == list(range(first, last))]))
"""


class Lengths:
    """The same, at once; refuses to encode what is known."""

    name, sha256, row_shape, dtype = "lengths", "0" * 64, (1,), np.dtype(np.float32)

    def encode(self, queries, batch_size):
        raise AssertionError([query.text for query in queries])


def start(store: Path, first: int, last: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORK, str(store), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_that_share_a_store_encode_everything_once(tmp_path):
    """The later ones wait, find what the first has encoded, and add the rest; nothing is lost."""
    spans = [(0, 9), (0, 9), (4, 13), (2, 6)]
    workers = [start(tmp_path / "store", *span) for span in spans]
    said = [worker.communicate() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, said
    answers = [json.loads(out) for out, _ in said]
    assert all(sound for _, sound in answers)
    assert sum(count for count, _ in answers) == 13
    assert any("waiting for process" in err for _, err in said)
    assert sorted(path.suffix for path in (tmp_path / "store").iterdir()) == [".json", ".npy"]
    texts = [Source.text("a" * n) for n in range(13)]
    assert len(compute_features(tmp_path / "store", Lengths(), texts).rows) == 13


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Make a store of nine texts."""
    worker = start(tmp_path / "store", 0, 9)
    worker.communicate()
    assert worker.returncode == 0
    return tmp_path / "store"


def test_what_is_known_is_read_while_another_encodes(store):
    """Nobody waits for rows that are there; nor is anything of the other's touched."""
    parts = store / f"lengths-{'0' * 12}.parts"
    busy = start(store, 0, 40)
    assert busy.stdout is not None
    while not list(parts.glob("*.npz")) and busy.poll() is None:
        time.sleep(0.01)
    known = [Source.text("a" * n) for n in range(9)]
    compute_features(store, Lengths(), known)
    assert busy.poll() is None
    assert (parts / LOCK).exists()
    assert json.loads(busy.communicate()[0]) == [31, True]


def test_a_read_only_store_is_read(store):
    """All that is known can be had; what is not is one sentence."""
    mount = ["mount", "-o", "bind,ro", str(store), str(store)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        found = compute_features(store, Lengths(), [Source.text("a" * n) for n in range(9)])
        np.testing.assert_array_equal(np.sort(found.rows[:, 0]), np.arange(9))
        with pytest.raises(ArtefactError, match="may not be written to|is read-only"):
            compute_features(store, Lengths(), [Source.text("b")])
    finally:
        subprocess.run(["umount", str(store)], check=True)
