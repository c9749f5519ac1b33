"""Token ids, cuts and unknown words are those of the `tokenizers` library, whatever the text."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import tokenizers

SCRIPTS = Path(__file__).parents[2] / "scripts"
TABLES = Path(__file__).parents[2] / "cpp" / "src" / "unicode_tables.inc"


@pytest.mark.parametrize("kind", ["bert", "clip", "own", "words"])
def test_tokens(kind, built, tmp_path):
    """By hand, every 211th code point in context, random strings, and heaps of marks."""
    from bundles import TEXTS
    from token_texts import differing, texts
    from tokenizer_files import KINDS

    if kind in ("own", "words"):
        pytest.importorskip("torch", reason="needs the extra 'train'")
        pytest.importorskip("onnx", reason="needs the extra 'train'")
    path = KINDS[kind](TEXTS * 20, tmp_path / "tokenizer.json")
    for name, values in texts(every=211, rows=400).items():
        # BERT drops controls: which of them a word's end takes along differs between heaps of marks
        told = not (kind == "bert" and name == "marks")
        found = differing(built / "zscr-tokens", path, values, unknown=told)
        assert not found, (name, len(found), found[:3])


def test_tables_are_those_of_the_libraries():
    """The checked-in tables are what the script makes now, of the same versions."""
    head = "".join(TABLES.read_text("utf-8").splitlines()[:2])
    versions = (tokenizers.__version__, unicodedata.unidata_version)
    if not all(f" {version}" in head for version in versions):
        pytest.skip(f"the tables are of other versions than {versions}: {head}")
    command = [sys.executable, str(SCRIPTS / "unicode-tables"), "--check"]
    assert subprocess.run(command, capture_output=True, text=True).stderr == ""
