"""The user's models: found by name, and one of them chosen once for every folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from zscr.artefact import staged
from zscr.errors import ArtefactError, ConfigError
from zscr.infer.models.installed import choose_model, chosen_model, find_model, installed


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZSCR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def bundle(path: Path) -> Path:
    with staged(path, "bundle"):
        pass
    return path


def test_a_model_is_chosen_once_by_its_name_or_its_path(home: Path, tmp_path: Path) -> None:
    assert chosen_model() is None
    own, other = bundle(home / "models/small"), bundle(tmp_path / "other")
    assert installed() == [own]
    choose_model("small")
    assert chosen_model() == own
    choose_model(str(other))
    assert chosen_model() == other


def test_what_was_chosen_moves_with_the_users_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(home / "models/small")
    choose_model("small")
    home.rename(tmp_path / "moved")
    monkeypatch.setenv("ZSCR_HOME", str(tmp_path / "moved"))
    assert chosen_model() == tmp_path / "moved/models/small"


def test_a_name_that_nothing_has_is_told_with_those_that_there_are(home: Path) -> None:
    with pytest.raises(ConfigError, match="there is none yet: make one of a pretrained model"):
        find_model("big")
    bundle(home / "models/small")
    with pytest.raises(ConfigError, match="there is no model 'big'; there are small"):
        find_model("big")
    with pytest.raises(ConfigError, match="'clip:me/big' yet, 'zscr export clip:me/big' makes one"):
        find_model("clip:me/big")
    (home / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=f"but a checkpoint, .*'zscr export clip:{home}' makes"):
        find_model(str(home))


@pytest.mark.parametrize("content", ["{", "[]", '{"model": 3}', '{"model": ""}'])
def test_a_damaged_choice_is_one_sentence(home: Path, content: str) -> None:
    home.mkdir()
    (home / "model.json").write_text(content)
    with pytest.raises(ConfigError, match=r"cannot be read .*run 'zscr models use NAME'"):
        chosen_model()


def test_a_choice_that_is_no_file_is_one_sentence(home: Path, tmp_path: Path) -> None:
    """A folder in its place, and a home that is none: neither is taken for no choice."""
    bundle(home / "models/small")
    (home / "model.json").mkdir()
    with pytest.raises(ConfigError, match=r"model.json cannot be read"):
        chosen_model()
    with pytest.raises(ConfigError, match=r"model.json is a folder"):
        choose_model("small")
    (home / "model.json").rmdir()
    home.rename(tmp_path / "moved")
    home.write_text("")
    with pytest.raises(ArtefactError, match=r"model.json cannot be made, for .*home is no folder"):
        choose_model(str(tmp_path / "moved/models/small"))


def test_a_chosen_model_that_is_gone_is_told_as_such(home: Path) -> None:
    choose_model(str(bundle(home / "models/small")))
    (home / "models/small").rename(home / "models/large")
    with pytest.raises(ConfigError, match=r"chosen is gone .*'small'; there are large.*models use"):
        chosen_model()
