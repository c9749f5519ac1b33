"""Artefact folders: whole or absent, whatever happens while they are written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.artefact import read_manifest, staged, verify, write_atomically
from zscr.errors import ArtefactError

WRITER = """
import sys, time
from pathlib import Path
from zscr.artefact import staged
with staged(Path(sys.argv[1]), "run") as stage:
    (stage.folder / "half").write_bytes(b"x" * 1000)
    print("writing", flush=True)
    time.sleep(60)
"""

QUICK_WRITER = """
import sys
from pathlib import Path
from zscr.artefact import staged
with staged(Path(sys.argv[1]), "run"):
    pass
"""


def make(path: Path) -> None:
    """Write an artefact of two files."""
    with staged(path, "run") as stage:
        (stage.folder / "deep").mkdir()
        (stage.folder / "a.bin").write_bytes(bytes(range(100)))
        (stage.folder / "deep/b.txt").write_text("b")
        stage.body["seed"] = 7


def test_artefact_round_trips(tmp_path):
    """The manifest lists every file, keeps the body, and all hashes are right."""
    make(tmp_path / "x/run")
    manifest = read_manifest(tmp_path / "x/run", "run")
    assert set(manifest.files) == {"a.bin", "deep/b.txt"}
    assert manifest.body == {"seed": 7}
    verify(tmp_path / "x/run", manifest)
    assert os.listdir(tmp_path / "x") == ["run"]


def test_kill_leaves_nothing_under_the_name(tmp_path):
    """After kill -9 the name is free, and the next writer removes what the dead one left."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "run")], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    with writer.stdout:
        assert writer.stdout.readline() == b"writing\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert not (tmp_path / "run").exists()
    assert len(list(tmp_path.glob(".run.*.partial"))) == 1
    make(tmp_path / "run")
    assert os.listdir(tmp_path) == ["run"]


def test_living_writers_partial_folder_is_left_alone(tmp_path):
    """A second writer of the same name does not delete what the first is writing."""
    with staged(tmp_path / "run", "run") as first:
        (first.folder / "file").write_text("mine")
        subprocess.run([sys.executable, "-c", QUICK_WRITER, str(tmp_path / "run")], check=True)
        assert (first.folder / "file").read_text() == "mine"
        (tmp_path / "run").rename(tmp_path / "theirs")
    assert (tmp_path / "run/file").read_text() == "mine"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_nothing(tmp_path, error):
    """Any exception, Ctrl-C too, removes the partial folder."""

    def fail_half_way() -> None:
        with staged(tmp_path / "run", "run") as stage:
            (stage.folder / "a").write_text("a")
            raise error

    with pytest.raises(error):
        fail_half_way()
    assert os.listdir(tmp_path) == []


def test_existing_name_is_never_replaced(tmp_path):
    """A second artefact of the same name is an error, and the first stays."""
    make(tmp_path / "run")
    with pytest.raises(ArtefactError, match="exists already"):
        make(tmp_path / "run")
    verify(tmp_path / "run", read_manifest(tmp_path / "run", "run"))


@given(st.integers(0, 99), st.integers(1, 255))
def test_one_flipped_byte_is_found_and_named(tmp_path_factory, place, flip):
    """Every byte of a file counts."""
    path = tmp_path_factory.mktemp("a") / "run"
    make(path)
    content = bytearray((path / "a.bin").read_bytes())
    content[place] ^= flip
    (path / "a.bin").write_bytes(content)
    with pytest.raises(ArtefactError, match=r"a\.bin is damaged"):
        verify(path, read_manifest(path, "run"))


def test_a_digit_that_no_double_tells_is_found(tmp_path):
    """0.1 + 0.2 has 17 digits; the next higher last one reads back as the same double."""
    with staged(tmp_path / "run", "run") as stage:
        stage.body["loss"] = 0.1 + 0.2
    manifest = tmp_path / "run/manifest.json"
    content = manifest.read_text()
    assert "0.30000000000000004" in content
    manifest.write_text(content.replace("0.30000000000000004", "0.30000000000000005"))
    with pytest.raises(ArtefactError, match="0.30000000000000005 is not written as 0.3000"):
        read_manifest(tmp_path / "run", "run")


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_one_flipped_byte_of_the_manifest_is_found(tmp_path_factory, place, flip):
    """It vouches for the files, and its checksum for it; only white space may differ."""
    path = tmp_path_factory.mktemp("a") / "run"
    make(path)
    sound = (path / "manifest.json").read_bytes()
    content = bytearray(sound)
    content[int(place * len(content))] ^= flip
    (path / "manifest.json").write_bytes(content)
    space = b" \t\n\r"
    if content.translate(None, space) == sound.translate(None, space):
        assert read_manifest(path, "run").body == {"seed": 7}
        return
    with pytest.raises(ArtefactError):
        read_manifest(path, "run")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"kind": "run"}', "damaged"),
        ('{"kind": "run", "schema": 4, "files": {"a": {}}}', "damaged"),
        ('{"kind": "bundle", "schema": 4, "files": {}}', "is of kind bundle, and no run"),
        ('{"kind": "run", "schema": 5, "files": {}}', "schema 5, .* reads 4; upgrade zscr"),
        ('{"kind": "run", "schema": "1", "files": {}}', "schema 1, .* reads 4; upgrade zscr"),
        (
            '{"kind": "run", "schema": 1, "files": {}}',
            "schema 1, .*; remove it, then run 'zscr train'$",
        ),
        ('{"kind": "run", "schema": 4, "files": {}}', "damaged: its checksum is wrong"),
    ],
)
def test_wrong_manifests_are_refused(tmp_path, content, named):
    """Damage, another kind and a newer schema are told apart."""
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ArtefactError, match=named):
        read_manifest(tmp_path, "run")


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("collection", "'zscr data make aviary' or 'zscr data convert', whichever made it"),
        ("encoder", "'zscr train'"),
        ("run", "'zscr train'"),
        ("bundle", "'zscr export'"),
        ("index", "'zscr index add'"),
        ("engine", "'zscr engine build'"),
        ("snapshot", "the same command again"),
    ],
)
def test_older_artefacts_name_the_command_that_makes_them_anew(tmp_path, kind, command):
    """Whatever was made by the first release; the command refuses what is there, so it goes."""
    (tmp_path / "manifest.json").write_text(f'{{"kind": "{kind}", "schema": 1, "files": {{}}}}')
    with pytest.raises(ArtefactError) as refused:
        read_manifest(tmp_path, kind)
    wanted = 5 if kind == "index" else 4
    assert str(refused.value) == (
        f"{tmp_path} has schema 1, this zscr reads {wanted}; remove it, then run {command}"
    )


def test_other_bytes_under_an_old_checksum_are_refused(tmp_path):
    """The manifest vouches for the files, and its own checksum for it."""
    make(tmp_path / "run")
    path = tmp_path / "run/manifest.json"
    path.write_text(path.read_text().replace('"seed": 7', '"seed": 8'))
    with pytest.raises(ArtefactError, match="its checksum is wrong"):
        read_manifest(tmp_path / "run", "run")


def test_full_disk_is_one_sentence_and_leaves_nothing(small_disk):
    """The disk is as it was, for whole folders and for single files."""
    (small_disk / "old").write_bytes(b"old")
    with (
        pytest.raises(ArtefactError, match="disk is full") as refused,
        staged(small_disk / "run", "run") as stage,
    ):
        (stage.folder / "big").write_bytes(bytes(2 << 20))
    assert "\n" not in str(refused.value)
    with pytest.raises(ArtefactError, match="disk is full"):
        write_atomically(small_disk / "old", bytes(2 << 20))
    assert os.listdir(small_disk) == ["old"]
    assert (small_disk / "old").read_bytes() == b"old"


def test_nan_is_refused_in_manifests(tmp_path):
    """Other JSON readers refuse NaN, so it must not get into an artefact."""
    with pytest.raises(ValueError), staged(tmp_path / "run", "run") as stage:
        stage.body["loss"] = float("nan")
    assert os.listdir(tmp_path) == []


def test_a_replaced_file_is_never_half_there(tmp_path: Path) -> None:
    """Who has the old one open reads it to its end: the new bytes are another file of its name."""
    path = tmp_path / "file"
    write_atomically(path, b"the old bytes")
    with path.open("rb", buffering=0) as reader:
        assert reader.read(4) == b"the "
        write_atomically(path, b"new")
        assert reader.read() == b"old bytes"
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"file": b"new"}
