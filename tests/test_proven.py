"""What was proven of a file once: known again until it changes, and never otherwise."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from zscr.artefact import Manifest, file_entry, hash_bytes, read_verified, verify
from zscr.cli import main
from zscr.errors import ArtefactError
from zscr.options import verify_option
from zscr.proven import Identity, identity, is_proven, remember, verifying

SIZE = 1 << 18  # bytes: the fewest that are remembered
WRONG = hash_bytes(b"something else")
PROVE = """
import sys, time
from pathlib import Path
from zscr.proven import identity, remember
now = time.time_ns
time.time_ns = lambda: now() + 10_000_000_000
with Path(sys.argv[1]).open("rb") as file:
    for kind in sys.argv[2:]:
        remember(file.fileno(), identity(file.fileno()), "00", kind)
"""


@pytest.fixture(autouse=True)
def facts(tmp_path, monkeypatch) -> Path:
    """Keep facts in a cache of the test's own; return their folder."""
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/proven"


@pytest.fixture
def later(monkeypatch) -> None:
    """Let it be ten seconds later, by the clock of this process."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)


def made(folder: Path) -> tuple[Path, Manifest]:
    """Write a file, and say what a manifest says of it."""
    path = folder / "a.bin"
    path.write_bytes(bytes(SIZE))
    return path, Manifest("run", {"a.bin": file_entry(path)}, {}, "")


def seen(path: Path) -> Identity:
    """Return what a file is known by at this moment."""
    with path.open("rb") as file:
        return identity(file.fileno())


def remembered(path: Path, sha256: str) -> Identity:
    """Remember of a file that it has a sha256."""
    with path.open("rb") as file:
        before = identity(file.fileno())
        remember(file.fileno(), before, sha256)
        return before


def read(folder: Path, manifest: Manifest) -> None:
    """Read a file as `verify` looks at it."""
    read_verified(folder, manifest, "a.bin")


@pytest.mark.parametrize("look", [verify, read])
def test_what_was_hashed_is_known_again(tmp_path, later, look):
    """A look remembers; the next believes it, as one shows that is told something wrong."""
    path, manifest = made(tmp_path)
    look(tmp_path, manifest)
    assert is_proven(seen(path), manifest.files["a.bin"]["sha256"])
    assert not is_proven(seen(path), WRONG)
    remembered(path, WRONG)
    other = Manifest("run", {"a.bin": {"sha256": WRONG, "bytes": SIZE}}, {}, "")
    look(tmp_path, other)
    with verifying(), pytest.raises(ArtefactError, match=r"a\.bin is damaged"):
        look(tmp_path, other)


def overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"x")


def mapped(path: Path) -> None:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as pages:
        pages[SIZE // 2] = 1


def exchanged(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(bytes(SIZE - 1) + b"x")
    os.replace(other, path)


def made_anew(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"x" + bytes(SIZE - 1))


@pytest.mark.parametrize("change", [overwritten, mapped, exchanged, made_anew])
@pytest.mark.parametrize("look", [verify, read])
def test_a_change_that_hides_its_time_is_found(tmp_path, later, change, look):
    """Of the same size and with its old mtime, whichever way the bytes came to be others."""
    path, manifest = made(tmp_path)
    look(tmp_path, manifest)
    before = path.stat()
    change(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (SIZE, before.st_mtime_ns)
    with pytest.raises(ArtefactError, match=r"a\.bin is damaged"):
        look(tmp_path, manifest)


def test_a_file_of_this_moment_is_not_remembered(tmp_path, monkeypatch):
    """Within a step of its disk's clock it could change unseen; nor one of the time to come."""
    path, manifest = made(tmp_path)
    sha256, written = manifest.files["a.bin"]["sha256"], path.stat().st_ctime_ns
    for moment, kept in [(-1, False), (1_999_999_999, False), (2_000_000_001, True)]:
        monkeypatch.setattr(time, "time_ns", lambda after=moment: written + after)
        verify(tmp_path, manifest)
        assert is_proven(seen(path), sha256) is kept


def test_a_file_that_changes_while_it_is_read_is_not_remembered(tmp_path, later):
    """What was read is of before, in part at least."""
    path, _ = made(tmp_path)
    with path.open("rb") as file:
        before = identity(file.fileno())
        overwritten(path)
        remember(file.fileno(), before, WRONG)
    assert not is_proven(before, WRONG)
    assert not is_proven(seen(path), WRONG)


def test_small_files_are_proven_each_time(tmp_path, later, facts):
    """Their hash takes less time than a look at the disk."""
    path, _ = made(tmp_path)
    os.truncate(path, SIZE - 1)
    assert not is_proven(remembered(path, WRONG), WRONG)
    assert not facts.exists()


@pytest.mark.parametrize(("disk", "kept"), [("tmpfs", True), ("ramfs", False)])
def test_only_disks_that_are_known_to_tell(tmp_path, later, disk, kept):
    """Of a network disk, FAT or any other kind nothing is remembered."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", disk, disk, str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip(f"{disk} cannot be mounted here")
    try:
        path, _ = made(folder)
        assert is_proven(remembered(path, WRONG), WRONG) is kept
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def open_to_others(folder: Path) -> None:
    folder.chmod(0o722)


def of_another(folder: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give a folder away")
    os.chown(folder, 65534, -1)


def a_link(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


@pytest.mark.parametrize("spoil", [open_to_others, of_another, a_link])
def test_facts_that_another_may_have_put_there_are_not_believed(tmp_path, later, facts, spoil):
    """Nor is anything added to them."""
    path, _ = made(tmp_path)
    before = remembered(path, WRONG)
    assert is_proven(before, WRONG)
    spoil(facts)
    assert not is_proven(before, WRONG)
    count = len(os.listdir(facts))
    remembered(path, hash_bytes(b"a third"))
    assert len(os.listdir(facts)) == count


def no_folder(cache: Path) -> None:
    cache.write_text("a file")


def spoilt(cache: Path) -> None:
    (cache / "proven").mkdir(parents=True, mode=0o700)
    (cache / "proven/leftover").mkdir()
    (cache / "proven" / ("f" * 64)).write_bytes(b"\xff" * 100)


@pytest.mark.parametrize("damage", [no_folder, spoilt])
def test_a_cache_that_is_damaged_costs_no_answer(tmp_path, later, damage):
    """All is hashed as before, a change is found, and a sound file is none."""
    path, manifest = made(tmp_path)
    damage(tmp_path / "cache")
    verify(tmp_path, manifest)
    verify(tmp_path, manifest)
    overwritten(path)
    with pytest.raises(ArtefactError, match=r"a\.bin is damaged"):
        verify(tmp_path, manifest)


def test_processes_that_remember_at_once_lose_nothing(tmp_path, later):
    """Each fact is a file of its own, made by one call."""
    path, _ = made(tmp_path)
    kinds = [[f"{process} {number}" for number in range(50)] for process in range(4)]
    code = [sys.executable, "-c", PROVE, str(path)]
    running = [subprocess.Popen([*code, *each]) for each in kinds]
    assert [process.wait() for process in running] == [0] * 4
    assert all(is_proven(seen(path), "00", kind) for each in kinds for kind in each)


def test_old_facts_are_forgotten_first(tmp_path, later, facts):
    """The folder does not grow without end, and what is new stays."""
    path, _ = made(tmp_path)
    remembered(path, hash_bytes(b"old"))
    for number in range(4096):
        (facts / f"{number:064x}").touch()
    for fact in facts.iterdir():
        os.utime(fact, (1, 1))
    new = remembered(path, WRONG)
    assert is_proven(new, WRONG)
    assert len(os.listdir(facts)) == 4098 - 2048


def test_the_option_proves_anew(tmp_path, later):
    """For the command that it is given to, and no longer."""
    path, _ = made(tmp_path)
    remembered(path, WRONG)
    other = Manifest("run", {"a.bin": {"sha256": WRONG, "bytes": SIZE}}, {}, "")
    command = verify_option(click.command()(lambda: verify(tmp_path, other)))
    assert CliRunner().invoke(command).exit_code == 0
    assert isinstance(CliRunner().invoke(command, ["--verify"]).exception, ArtefactError)
    assert CliRunner().invoke(command).exit_code == 0


@pytest.mark.parametrize("name", ["query", "find", "evaluate"])
def test_commands_that_read_models_have_the_option(name):
    """Each opens a bundle or a run, and an index or a collection."""
    command = main.get_command(click.Context(main), name)
    assert any("--verify" in one.opts for one in command.params)
