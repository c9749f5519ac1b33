"""A hostile HNSW file with the right hash never reaches hnswlib: no crash, no wrong answer."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from zscr.infer.index.choice import EF_CONSTRUCTION, M
from zscr.infer.index.hnsw import Hnsw
from zscr.infer.index.hnsw_file import HEADER, Known, Shape, check_hnsw_file

COUNT, LATE, DIM = 600, 480, 8
NODE = Shape(COUNT, DIM, M, EF_CONSTRUCTION).node
UPPER = HEADER.itemsize + COUNT * NODE.itemsize
EXTREMES = (0, 1, 2, 15, 17, 33, COUNT - 1, COUNT, 2**16, 2**31 - 1, 2**31, 2**32 - 1)


@pytest.fixture(scope="module")
def sound(clustered, tmp_path_factory) -> tuple[np.ndarray, bytes]:
    """Build one over vectors of which some came later, and return both."""
    vectors = clustered(COUNT, DIM)
    hnsw = Hnsw.build(vectors[:LATE], threads=1)
    hnsw.add(vectors[LATE:], np.arange(LATE, COUNT), threads=1)
    path = tmp_path_factory.mktemp("hnsw") / "hnsw.bin"
    hnsw.save(path)
    return vectors, path.read_bytes()


def check(content: bytes, vectors: np.ndarray) -> None:
    check_hnsw_file(bytearray(content), DIM, known(vectors), M, EF_CONSTRUCTION)


def known(vectors: np.ndarray) -> Known:
    """Say that labels are the numbers of these rows, as far as they go."""

    def rows(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        which = np.flatnonzero(labels < len(vectors))
        return which, vectors[labels[which]]

    return rows


def test_what_hnswlib_writes_is_sound(sound):
    """Whatever the order and the number of threads, and where rows are no longer there."""
    vectors, content = sound
    check(content, vectors)
    check(content, vectors[: COUNT - 9])
    check(Hnsw.load(bytearray(content), DIM, known(vectors)) and content, vectors)


def test_several_threads_write_sound_files(clustered, tmp_path):
    """They give nodes in an order of their own, so labels are not node numbers."""
    vectors = clustered(2000, DIM)
    Hnsw.build(vectors, threads=4).save(tmp_path / "hnsw.bin")
    check((tmp_path / "hnsw.bin").read_bytes(), vectors)


@pytest.mark.parametrize("field", [*HEADER.names])
def test_every_field_of_the_header_is_checked(sound, field):
    """All but max_elements, which hnswlib replaces, must be what follows from the vectors."""
    vectors, content = sound
    for value in (*EXTREMES, 2**63 - 1, 2**64 - 1):
        damaged = bytearray(content)
        header = np.frombuffer(damaged, HEADER, 1)
        with np.errstate(all="ignore"):
            header[field] = np.array([value], np.uint64).astype(header.dtype[field])
        same = damaged == content or (field == "max_elements" and COUNT <= value < 2**40)
        if not same:
            with pytest.raises(
                ValueError, match=f"its {field}|its entry point|cannot hold|upper level|goes on"
            ):
                check(damaged, vectors)


def test_links_labels_and_vectors_are_checked(sound):
    """Each is told by name."""
    vectors, content = sound
    for field, value, why in (
        ("links", 33, "more than 32 links"),
        ("deleted", 1, "deleted"),
        ("ids", COUNT, "does not exist"),
        ("ids", 7, "linked with itself"),
        ("vector", np.nan, "vectors are not"),
        ("label", 8, "there twice"),
        ("label", 2**64 - 1, "is none"),
    ):
        damaged = bytearray(content)
        nodes = np.frombuffer(damaged, NODE, COUNT, HEADER.itemsize)
        if nodes[field].ndim > 1:
            nodes[field][7, 0] = value
        else:
            nodes[field][7] = value
        with pytest.raises(ValueError, match=why):
            check(damaged, vectors)


# Loads, searches, extends and searches again whatever the check lets through; a crash ends it.
CHILD = """
import json, sys
import numpy as np
from zscr.infer.index.exact import search_exact
from zscr.infer.index.hnsw import Hnsw

vectors, content = np.load(sys.argv[1]), open(sys.argv[2], "rb").read()
more = np.concatenate([vectors, vectors[:10][::-1]])
known = lambda labels: (which := np.flatnonzero(labels < 600), vectors[labels[which]])
right = search_exact(vectors, vectors[::60], 1).scores
refused = 0
for line in sys.stdin:
    damaged = bytearray(content)
    for at, word in json.loads(line):
        damaged[at : at + 4] = word.to_bytes(4, "little")
    try:
        hnsw = Hnsw.load(damaged, 8, known)
    except ValueError:
        refused += 1
        continue
    if hnsw.labels.tolist() != [*range(600)]:  # as whoever opens an index asks
        refused += 1
        continue
    found = hnsw.search(vectors, vectors[::60], 1, 600).scores
    assert (found > right - 1e-9).mean() >= 0.9, "it finds little"
    hnsw.add(more[600:], np.arange(600, 610), threads=1)
    hnsw.search(more, vectors[:5], 610, 10)
print(refused)
"""


def test_random_words_crash_nothing(sound, tmp_path):
    """160 seeded files with one to three wrong words, anywhere and in the upper levels."""
    vectors, content = sound
    np.save(tmp_path / "vectors.npy", vectors)
    (tmp_path / "hnsw.bin").write_bytes(content)
    rng = np.random.default_rng(7)
    cases = []
    for number in range(160):
        start = UPPER if number % 2 else 0
        places = start + 4 * rng.integers(0, (len(content) - start) // 4, 1 + number % 3)
        words = [
            int(rng.choice(EXTREMES)) if rng.random() < 0.5 else int(rng.integers(2**32))
            for _ in places
        ]
        cases.append(json.dumps([[int(at), word] for at, word in zip(places, words, strict=True)]))
    command = [sys.executable, "-c", CHILD, tmp_path / "vectors.npy", tmp_path / "hnsw.bin"]
    done = subprocess.run(
        list(map(str, command)), input="\n".join(cases), capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 80
