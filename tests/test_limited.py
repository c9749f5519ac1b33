"""Processes of limited means run the package that runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from zscr.errors import InputError
from zscr.limited import Limits, run_limited


def test_a_folder_of_the_packages_name_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a checkout's own folder, say; the module is found, and says that the file is bad."""
    (tmp_path / "zscr").mkdir()
    (tmp_path / "zscr" / "__init__.py").write_text("raise SystemExit('a stranger')", "utf-8")
    monkeypatch.chdir(tmp_path)
    limits = Limits(memory=1 << 30, seconds=20)
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        run_limited("zscr.infer.inputs.tokenizer", ["20", "tokenizer.json"], limits, what="trying")
