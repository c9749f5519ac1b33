"""Damaged files of each kind are read or refused in one sentence, whatever their hashes say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")
pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")
pytest.importorskip("hnswlib", reason="needs the extra 'hnsw'")

SCRIPTS = Path(__file__).parents[2] / "scripts"
CASES = 1500  # of each reader; of those that decode images, a tenth
READERS = ("json", "manifest", "bundle", "index", "hnsw", "segment", "blocks", "entry", "tokenizer")
READERS += ("text", "graph", "composition", "array", "sentence")
READERS += ("orientation", "pixels", "jpeg", "png", "webp")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory) -> Any:
    """Lay out what is damaged -> the folder of a sound sample, and the files of each reader."""
    import fuzz_seeds

    folder = tmp_path_factory.mktemp("fuzz")
    made = fuzz_seeds.lay_out(folder)
    assert (*made,) == fuzz_seeds.READERS == READERS
    return folder / "sample", made


@pytest.fixture(scope="module")
def damage_file() -> Any:
    """Import what scripts/fuzz damages files with."""
    sys.path.insert(0, str(SCRIPTS))
    from fuzz_cases import damage_file

    yield damage_file
    sys.path.remove(str(SCRIPTS))


def read(built: Path, reader: str, sample: Path, files: list[Path]) -> str:
    """Let a reader read files; returns what is wrong."""
    from library import capi

    about = {"ZSCR_READER": reader, "ZSCR_SAMPLE": str(sample), "ZSCR_ONNXRUNTIME": capi()}
    about["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "detect_leaks=0")  # onnxruntime's
    command = [built / "zscr-fuzz", *files]
    done = subprocess.run(command, env={**os.environ, **about}, capture_output=True, text=True)
    return "" if not done.returncode else done.stdout[-200:] + done.stderr[-3000:]


@pytest.mark.parametrize("reader", READERS)
def test_damaged_files(reader, seeds, sanitized, damage_file, tmp_path):
    """Sound ones, and a fixed number damaged by a fixed seed: no crash, no promise broken."""
    sample, files = seeds
    cases, rng = [*files[reader]], Random(7)
    slow = reader in ("jpeg", "png", "webp", "pixels")
    for number in range(CASES // 10 if slow else CASES):
        seed = files[reader][number % len(files[reader])]
        case = tmp_path / f"{number}{seed.suffix}"
        case.write_bytes(seed.read_bytes())
        damage_file(case, rng)
        cases.append(case)
    assert read(sanitized, reader, sample, cases) == ""
