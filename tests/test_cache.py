"""The cache of encoders: where it is, and what is said before anything is made for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from zscr.cache import cache_folder
from zscr.errors import ConfigError
from zscr.train.kept import kept_encoder


def test_a_cache_that_cannot_be_written_names_its_variable(tmp_path: Path, monkeypatch) -> None:
    """As with a read-only home; a file in a folder's place stands in for it. Nothing is made."""
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path / "home/cache"))
    with pytest.raises(ConfigError, match="is no folder.*ZSCR_CACHE names"):
        kept_encoder("x", lambda path: pytest.fail("it was made"))


def test_a_user_without_a_home_is_told(monkeypatch) -> None:
    """Containers run as users who are in no list; a named cache serves them."""
    monkeypatch.delenv("ZSCR_CACHE", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(ConfigError, match="set ZSCR_CACHE"):
        cache_folder()
    monkeypatch.setenv("ZSCR_CACHE", "/elsewhere")
    assert cache_folder() == Path("/elsewhere")


def test_an_encoder_is_made_once(tmp_path: Path, monkeypatch) -> None:
    """The second time it is there."""
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path))
    path = kept_encoder("x", lambda path: path.mkdir())
    assert kept_encoder("x", lambda path: pytest.fail("it was made")) == path
    assert path == tmp_path / "encoders/x"
