"""What is fetched of a model, and that its name stands for the same files until told otherwise."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest

from tests.test_sealed import sealed
from tests.train.hub.server import Hub, hashed, status
from zscr.errors import ArtefactError, ConfigError
from zscr.train.hub.snapshot import Snapshot, snapshot

NAME = "some/model"
FILES = {
    "config.json": b"{}",
    "merges.txt": b"a b",
    "1_Pooling/config.json": b"{ }",
    "model.safetensors": bytes(range(256)) * 500,
    "README.md": b"# A model",
    "model.fp16.safetensors": b"half",
    "pytorch_model.bin": b"a pickle",
    "onnx/model.onnx": b"a graph",
    "code.py": b"import os",
}
WANTED = ("config.json", "merges.txt", "1_Pooling/config.json", "model.safetensors")


def contents(found: Snapshot) -> dict[str, bytes]:
    """Return the files of a snapshot's folder by name."""
    paths = (path for path in found.folder.rglob("*") if path.is_file())
    return {path.relative_to(found.folder).as_posix(): path.read_bytes() for path in paths}


def test_descriptions_and_one_copy_of_the_weights_are_fetched(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    """With commit, licence and hashes; the size is told before, and nothing of this machine."""
    commit = hub.commit(NAME, FILES)
    found = snapshot(NAME)
    assert contents(found) == {name: FILES[name] for name in WANTED}
    assert found.files == {name: hashed(FILES[name]) for name in WANTED}
    assert (found.name, found.revision, found.licence) == (NAME, commit, "mit")
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"fetching '{NAME}' at {commit[:12]} from 127.0.0.1:")
    assert told[0].endswith(": 4 files, 0.13 MB")
    assert told[-1].startswith(f"fetching {NAME}: 0.1/0.1 MB")
    agents = {headers["user-agent"] for _, _, headers in hub.seen}
    assert [a.split("; ")[1].split("/")[0] for a in agents] == ["hf_hub"]


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ({"license": "apache-2.0"}, "apache-2.0"),
        ({"license": "other", "license_name": "apple-ascl"}, "apple-ascl"),
        ({}, None),
        (None, None),
        ({"license": ["mit"]}, None),
        ({"license": "\x1b[2J"}, None),
    ],
)
def test_a_licence_is_what_the_card_says(hub: Hub, card: object, licence: str | None) -> None:
    """Or nothing: what no reader could print, or is no text, is none."""
    hub.card = card  # type: ignore[assignment]
    hub.commit(NAME, FILES)
    assert snapshot(NAME, weights=()).licence == licence


def test_a_moved_branch_is_told_and_not_followed(
    hub: Hub, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until the commit is asked for, or what was written down is removed."""
    first = hub.commit(NAME, FILES)
    assert snapshot(NAME).revision == first
    files = [path for _, path, _ in hub.seen if "/resolve/" in path]
    second = hub.commit(NAME, FILES | {"config.json": b"[]"})
    capsys.readouterr()
    assert snapshot(NAME).revision == first
    assert f"'{NAME}' has moved to {second}" in capsys.readouterr().err
    assert snapshot(NAME, weights=()).revision == first  # other files of the same commit
    assert [path for _, path, _ in hub.seen if "/resolve/" in path] == files
    assert contents(snapshot(f"{NAME}@{second}"))["config.json"] == b"[]"
    assert snapshot(NAME, revision=second).revision == second
    assert snapshot(NAME).revision == first
    (cache / "some--model/revisions.json").unlink()
    assert snapshot(NAME).revision == second


def test_a_killed_fetch_stays_at_its_commit(hub: Hub) -> None:
    """What a branch stands for is written down before the files come, which may take hours."""
    first = hub.commit(NAME, FILES)
    hub.faults["/resolve/"] = [status(404)]
    with pytest.raises(ConfigError, match="answers 404"):
        snapshot(NAME)
    hub.commit(NAME, {"config.json": b"[]"})
    assert snapshot(NAME).revision == first


def test_branches_and_tags_are_asked_for_behind_an_at(hub: Hub) -> None:
    """Each is pinned by itself, one with a slash in it, too."""
    main = hub.commit(NAME, FILES)
    other = hub.commit(NAME, {"config.json": b"[]"}, branch="refs/pr/1")
    assert snapshot(f"{NAME}@refs/pr/1", weights=()).revision == other
    assert snapshot(NAME, weights=()).revision == main


def test_offline_answers_from_what_was_fetched(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the argument or the environment, without a single question; else it is one sentence."""
    hub.commit(NAME, FILES)
    online = snapshot(NAME)
    asked = len(hub.seen)
    assert snapshot(NAME, offline=True) == online
    with pytest.raises(ConfigError, match="'other/model' was not fetched before, .*--offline"):
        snapshot("other/model", offline=True)
    with pytest.raises(ConfigError, match=f"'{NAME}@v2' was not fetched before"):
        snapshot(f"{NAME}@v2", offline=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert snapshot(NAME) == online
    assert len(hub.seen) == asked


OFFLINE = """
import os, sys
os.environ |= {"ZSCR_CACHE": sys.argv[1], "HF_HUB_DISABLE_TELEMETRY": ""}
from zscr.train.hub.snapshot import snapshot
print(snapshot(sys.argv[2], offline=True).folder)
import huggingface_hub.constants
print(huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY)
"""


def test_offline_opens_no_socket(hub: Hub, tmp_path: Path) -> None:
    """Any would end the process; nothing is left at home, and the library's telemetry is off."""
    hub.commit(NAME, FILES)
    online = snapshot(NAME)
    (place := tmp_path / "sealed").mkdir()
    done = sealed(OFFLINE, str(tmp_path / "cache"), NAME, cwd=place)
    assert (done.returncode, done.stdout.split()) == (0, [str(online.folder), "True"]), done.stderr
    assert list((place / "home").iterdir()) == []


def test_without_a_network_what_is_here_is_taken(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is asked once, and said, that nobody knows whether the branch has moved."""
    hub.commit(NAME, FILES)
    online = snapshot(NAME)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    capsys.readouterr()
    assert snapshot(NAME) == online
    told = capsys.readouterr().err
    assert "whether it has moved is not known: nobody answers at 127.0.0.1:1" in told
    assert "trying again" not in told


def test_a_changed_byte_is_refused(hub: Hub, cache: Path) -> None:
    """Whoever changed it: every file is hashed before each use."""
    hub.commit(NAME, FILES)
    path = snapshot(NAME).folder / "config.json"
    path.write_bytes(b"[]")
    with pytest.raises(ArtefactError, match="config.json is damaged"):
        snapshot(NAME, offline=True)


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_what_the_library_has_is_taken_if_its_hash_is_right(
    hub: Hub, tmp_path: Path, name: str, changed: bool
) -> None:
    """Of a file that its own download left in its cache nothing is fetched, unless it differs."""
    commit = hub.commit(NAME, FILES)
    library = {"endpoint": hub.address, "cache_dir": tmp_path / "library"}
    cached = Path(huggingface_hub.hf_hub_download(NAME, name, **library)).resolve()
    if changed:
        cached.write_bytes(b"x" * len(FILES[name]))
    hub.seen.clear()
    assert contents(snapshot(NAME))[name] == FILES[name]
    assert bool(hub.asked(f"/resolve/{commit}/{name}")) == changed
