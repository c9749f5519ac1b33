"""Threads share a searcher while another process commits to its index."""

from __future__ import annotations

import subprocess

import pytest

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

COMMITS, THREADS = 8, 4


@pytest.mark.parametrize("search", ["exact", "hnsw"])
def test_threads_search_while_another_commits(search, built, tmp_path):
    """Texts, images and vectors, exactly and by HNSW: every answer is whole, without a note."""
    from bundles import entries, make_bundle, make_index, unit
    from library import capi
    from PIL import Image

    from zscr.infer.index.index import Change

    if search == "hnsw":
        pytest.importorskip("hnswlib", reason="needs the extra 'hnsw'")
    bundle = make_bundle(tmp_path / "b", "clip")
    index = make_index(tmp_path / "b.index", bundle, 200, search=search)
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    last = index.generation + COMMITS
    command = [built / "zscr-threads", bundle, capi(), last, tmp_path / "a.png", THREADS]
    searching = subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert searching.stdout
    assert searching.stdout.readline() == "open\n"
    for number in range(COMMITS):
        gone = [one.id for one in entries([3 * number])]
        index.apply(Change(entries([200 + number]), unit(1, number + 20), removals=gone))
    answered, said = searching.communicate()
    assert (searching.returncode, said) == (0, "")
    assert int(answered.split()[0]) >= 3 * THREADS
    assert index.generation == last
