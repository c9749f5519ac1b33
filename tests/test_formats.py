"""docs/formats.md names whatever an artefact holds, so that others can read it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zscr.artefact import read_manifest

PAGE = (Path(__file__).parents[1] / "docs/formats.md").read_text()
WORDS = set(re.findall(r"[\w.]+", PAGE))


@pytest.mark.parametrize("kind", ["collection", "encoder", "run", "bundle", "index"])
def test_every_field_and_file_is_described(
    kind: str, deployed, shapes: Path, tiny_text: Path
) -> None:
    """Fields of manifests by their names; files by theirs, a number standing for any."""
    folders = {"collection": shapes, "encoder": tiny_text, "run": deployed.run}
    folders |= {"bundle": deployed.bundle, "index": deployed.index}
    manifest = read_manifest(folders[kind], kind)
    told = {"config", "provenance", "source", "max_abs_difference_to_torch"}  # as a whole
    assert set(manifest.body) - WORDS - told == set()
    for name in manifest.files:
        stem = re.sub(r"\.\d+\.", ".N.", name)
        known = (stem, stem.replace(".N.", ".<step>."), re.sub(r"^\w+\.onnx", "<graph>.onnx", stem))
        assert any(one in PAGE for one in known) or name.endswith(".png"), name
