"""What graphs lie in is given back with them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

SLAB = 32 << 20  # bytes that the library asks the kernel for at once


def mapped() -> int:
    """Return the bytes of this process's address space."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmSize"))


def test_a_closed_searcher_keeps_nothing(library, tmp_path):
    """One that is open takes a slab at least; once it is closed, that is no longer mapped."""
    from bundles import make_bundle, make_index

    bundle = make_bundle(tmp_path / "b", "clip")
    make_index(tmp_path / "b.index", bundle, 50)

    def opened():
        searcher = library.open(bundle)
        assert searcher.search(["a small bird"])[0].hits
        return searcher

    opened()
    before = mapped()
    held = opened()
    assert mapped() - before > SLAB
    assert opened().search(["a small bird"]) == held.search(["a small bird"])
    del held
    assert mapped() - before < SLAB
