"""Flipped bits of a bundle and its index are refused or harmless, and Python thinks so, too."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")
pytest.importorskip("hnswlib", reason="needs the extra 'hnsw'")


@pytest.mark.parametrize("kind", ["exact-float32", "exact-float16", "hnsw-float32", "hnsw-float16"])
def test_flipped_bits(kind, library, tmp_path):
    """25 bits of all files in turn: one sentence, or the same hits. scripts/flips-cpp: 2,000."""
    from flips import KINDS, flips

    assert kind in KINDS
    found = list(flips(library, tmp_path, kind, 25, seed=3))
    assert [one for one in found if "other" in (one.ours, one.theirs)] == []
    assert sum(one.ours == "refused" for one in found) > 10
    # Unrelated queries are looked at by Python alone, which calibrates with them.
    read = [one for one in found if "/unrelated." not in one.where]
    assert [one for one in read if one.ours != one.theirs] == []
