"""Threads share a searcher while another process commits to its index."""

from __future__ import annotations

import subprocess

import pytest

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

COMMITS, THREADS = 8, 4


@pytest.mark.parametrize("search", ["exact", "hnsw", "composed"])
def test_threads_search_while_another_commits(search, built, tmp_path):
    """Texts, images, vectors, every composition: each answer is whole; none notes a stale index."""
    from bundles import entries, make_bundle, make_index, unit
    from composed_bundles import with_compositions
    from library import capi
    from PIL import Image

    from zscr.infer.bundle import Bundle
    from zscr.infer.composition.available import needs_instead
    from zscr.infer.index.index import Change

    if search == "hnsw":
        pytest.importorskip("hnswlib", reason="needs the extra 'hnsw'")
    bundle, compositions = make_bundle(tmp_path / "plain", "clip"), ()
    if search == "composed":
        bundle = with_compositions(tmp_path / "b", bundle)
        found = Bundle.open(bundle).composed[frozenset({"image", "text"})]
        compositions = [name for name, one in found.items() if not needs_instead(one)]
    how = "exact" if compositions else search
    index = make_index(bundle.with_name(f"{bundle.name}.index"), bundle, 200, search=how)
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    last = index.generation + COMMITS
    command = [
        built / "zscr-threads",
        bundle,
        capi(),
        last,
        tmp_path / "a.png",
        THREADS,
        *compositions,
    ]
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
