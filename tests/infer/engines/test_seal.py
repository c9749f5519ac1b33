"""Nobody but the user can make an engine that the user loads."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zscr.artefact import read_manifest
from zscr.errors import ArtefactError
from zscr.infer.engines.entry import read_entry
from zscr.infer.engines.seal import seal_of, user_key


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_key_is_the_users_alone(own_cache: Path) -> None:
    """Random, made once whoever asks at the same time, and readable by nobody else."""
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: user_key(), range(8)))
    assert len(keys) == 1
    assert {len(key) for key in keys} == {32}
    assert mode(own_cache / "engines") == 0o700
    assert mode(own_cache / "engines/key") == 0o600
    shutil.rmtree(own_cache / "engines")
    assert user_key() not in keys


@pytest.mark.parametrize("open_to", [0o640, 0o604])
def test_a_key_that_others_could_read_is_replaced(
    own_cache: Path, capsys: pytest.CaptureFixture[str], open_to: int
) -> None:
    """They may have it already, so making it private again would not do."""
    known = user_key()
    (own_cache / "engines/key").chmod(open_to)
    assert user_key() != known
    assert f"could be read by others (mode {open_to:04o}), so a new key" in capsys.readouterr().err
    assert mode(own_cache / "engines/key") == 0o600


def test_a_folder_that_is_open_is_closed(
    own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key in it had a mode of its own, and stays."""
    known = user_key()
    (own_cache / "engines").chmod(0o755)
    assert user_key() == known
    assert mode(own_cache / "engines") == 0o700
    assert "was open to others (mode 0755)" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["link", "second name"])
def test_a_key_that_somebody_else_put_there_is_refused(
    own_cache: Path, tmp_path: Path, kind: str
) -> None:
    """A link would let them choose it."""
    user_key()
    key = own_cache / "engines/key"
    key.rename(tmp_path / "theirs")
    (os.symlink if kind == "link" else os.link)(tmp_path / "theirs", key)
    with pytest.raises(ArtefactError, match=r"engines/key .*; remove it"):
        user_key()


def test_a_folder_of_another_user_is_refused(own_cache: Path) -> None:
    """As in a shared temporary folder, where anybody may be first."""
    (own_cache / "engines").mkdir(parents=True)
    try:
        os.chown(own_cache / "engines", 12345, 12345)
    except PermissionError:
        pytest.skip("only root may give a folder away")
    with pytest.raises(ArtefactError, match="belongs to another user"):
        user_key()


def test_every_flipped_byte_of_the_manifest_is_refused(save_engine: Callable[..., Path]) -> None:
    """Before the engine is looked at: it is gone meanwhile."""
    folder = save_engine()
    content = (folder / "manifest.json").read_bytes()
    (folder / "x.engine").write_bytes(b"")
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        (folder / "manifest.json").write_bytes(changed)
        with pytest.raises(ArtefactError) as refused:
            read_entry(folder).read()
        assert "edited or cut" not in str(refused.value), place  # which is said of the engine


def test_a_manifest_that_reads_the_same_is_refused(save_engine: Callable[..., Path]) -> None:
    """Its checksum is right; its bytes are not those that were sealed."""
    folder = save_engine()
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"graph": ', b'"graph":\t'))
    with pytest.raises(ArtefactError, match="it was edited after it was built"):
        read_entry(folder).read()


def test_every_flipped_byte_of_the_engine_is_refused(save_engine: Callable[..., Path]) -> None:
    """And one that is longer or shorter; as it was, it is given whole."""
    folder = save_engine()
    content = (folder / "x.engine").read_bytes()
    assert read_entry(folder).read() == content
    flipped = [content[:n] + bytes([content[n] ^ 1]) + content[n + 1 :] for n in range(256)]
    for changed in (*flipped, content[:-1], content + b"\0"):
        (folder / "x.engine").write_bytes(changed)
        with pytest.raises(ArtefactError, match="edited or cut"):
            read_entry(folder).read()


@pytest.mark.parametrize("place", range(64))
def test_every_flipped_digit_of_the_seal_is_refused(
    save_engine: Callable[..., Path], place: int
) -> None:
    """One digit of it is as much as none."""
    folder = save_engine()
    seal = (folder / "seal").read_text()
    (folder / "seal").write_text(seal[:place] + "x" + seal[place + 1 :])
    with pytest.raises(ArtefactError, match="its seal is not yours"):
        read_entry(folder).read()


def test_another_users_engine_is_refused(
    save_engine: Callable[..., Path], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is, with the name of this user's key written into it, and without a seal."""
    folder = save_engine()
    sha256 = read_manifest(folder, "engine").sha256
    monkeypatch.setenv("ZSCR_CACHE", str(own_cache.with_name("other")))
    forged = seal_of(user_key(), sha256)
    with pytest.raises(ArtefactError, match="built by another user or on another machine"):
        read_entry(folder).read()
    monkeypatch.setenv("ZSCR_CACHE", str(own_cache))
    (folder / "seal").write_text(forged)
    with pytest.raises(ArtefactError, match="its seal is not yours"):
        read_entry(folder).read()
    (folder / "seal").unlink()
    with pytest.raises(ArtefactError, match="its seal is missing"):
        read_entry(folder).read()
