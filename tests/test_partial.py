"""Partial files and folders: whose they are is told by locks, never by the ids of processes."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zscr.artefact import made_once, make_alone, read_manifest, staged
from zscr.disk import disk_faults, require_space, require_writable
from zscr.errors import ArtefactError
from zscr.lock import LOCK, work_folder, writer_lock
from zscr.partial import atomic_file, write_atomically

STAGE = """
import sys, time
from pathlib import Path
from zscr.artefact import staged
with staged(Path(sys.argv[1]), "run") as stage:
    (stage.folder / "half").write_bytes(b"x" * 1000)
    print("writing", flush=True)
    sys.stdin.read()
"""
FILE = """
import sys
from pathlib import Path
from zscr.partial import atomic_file
with atomic_file(Path(sys.argv[1])) as file:
    file.write(b"whole")
    print("writing", flush=True)
    sys.stdin.read()
"""
# As a container does it: each process is number 1 of its own.
ALONE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def alone() -> list[str]:
    """Return the words before a command that make it process 1."""
    done = subprocess.run([*ALONE, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no process can be number 1 here: {done.stderr.strip()}")
    return ALONE


def begin(code: str, path: Path, before: list[str]) -> subprocess.Popen[bytes]:
    """Start a writer; return when it is half done."""
    command = [*before, sys.executable, "-c", code, str(path)]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"writing\n"
    return writer


def end(writer: subprocess.Popen[bytes], *, kill: bool = False) -> int:
    """Let a writer finish, or kill it; return its exit status."""
    if kill:
        writer.kill()
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.close()
    writer.stdout.read()  # to its end: `unshare` may be gone before its child is
    status = writer.wait()
    writer.stdout.close()
    return status


@pytest.mark.parametrize("code", [STAGE, FILE])
def test_a_container_begins_anew_and_leaves_another_alone(tmp_path: Path, code: str) -> None:
    """Of two that are process 1, one is killed: a third removes its half, not the living one's."""
    path = tmp_path / "x"
    killed, living = begin(code, path, alone()), begin(code, path, alone())
    halves = {one.name for one in tmp_path.iterdir()}
    assert len(halves) == 2
    end(killed, kill=True)
    third = begin(code, path, alone())
    now = {one.name for one in tmp_path.iterdir()}
    assert len(now) == 2
    assert len(now & halves) == 1
    assert end(living) == 0
    assert path.exists()
    end(third)
    assert os.listdir(tmp_path) == ["x"]


def test_what_earlier_releases_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    """Halves that are named by a process id go, even of process 1; links are never followed."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("precious")
    (tmp_path / ".x.1.partial").mkdir()
    (tmp_path / ".x.1.partial/half").write_text("half")
    kept = [".y.1.partial", ".x.mkv.partial", ".x.00112233aabbccdd.part"]
    for name in kept:
        (tmp_path / name).write_text("another program's")
    (tmp_path / ".x.00112233aabbccdd.partial").symlink_to(victim)
    inner = tmp_path / ".x.ffeeddccbbaa9988.partial"
    inner.mkdir()
    (inner / "deep").symlink_to(victim)
    with staged(tmp_path / "x", "run"):
        pass
    link = ".x.00112233aabbccdd.partial"
    assert {one.name for one in tmp_path.iterdir()} == {"x", "victim", link, *kept}
    assert (victim / "file").read_text() == "precious"


def test_a_forked_child_takes_nothing_from_its_parent(tmp_path: Path) -> None:
    """It leaves the block by an error: stage, file and locks are still the parent's."""

    def fork_and_fail() -> None:
        child = os.fork()
        if child == 0:
            raise KeyboardInterrupt
        os.waitpid(child, 0)

    me = os.getpid()
    try:
        with (
            work_folder(tmp_path / "work", "testing"),
            atomic_file(tmp_path / "file") as file,
            staged(tmp_path / "run", "run") as stage,
            writer_lock(tmp_path),
        ):
            file.write(b"whole")
            (stage.folder / "a").write_text("a")
            fork_and_fail()
            assert (stage.folder / "a").read_text() == "a"
            with pytest.raises(ArtefactError, match="is writing to"), writer_lock(tmp_path):
                pass
    except KeyboardInterrupt:
        if os.getpid() != me:
            os._exit(0)
        raise
    assert {one.name for one in tmp_path.iterdir()} == {"file", "run", LOCK}
    assert set(read_manifest(tmp_path / "run", "run").files) == {"a"}


def test_a_child_that_lives_on_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A process that was forked while the lock was held outlives its parent's writing."""
    with writer_lock(tmp_path):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
    try:
        with writer_lock(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.parametrize("kind", ["link", "second name", "pipe"])
def test_a_lock_file_that_leads_elsewhere_is_refused(tmp_path: Path, kind: str) -> None:
    """A stranger's folder: what its writer.lock leads to is not opened, locked or changed."""
    victim, folder = tmp_path / "victim", tmp_path / "folder"
    folder.mkdir()
    victim.write_text("precious")
    lock = folder / LOCK
    {
        "link": lambda: lock.symlink_to(victim),
        "second name": lambda: lock.hardlink_to(victim),
        "pipe": lambda: os.mkfifo(lock),
    }[kind]()
    before = victim.stat()
    with pytest.raises(ArtefactError, match="is a link, a device, or a second name"):
        writer_lock(folder).__enter__()
    with pytest.raises(ArtefactError, match="is a link, a device, or a second name"):
        work_folder(folder, "testing").__enter__()
    assert victim.read_text() == "precious"
    assert (victim.stat().st_mtime_ns, victim.stat().st_size) == (before.st_mtime_ns, 8)


def test_a_work_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """What is done there would clear the folder that a stranger's link leads to."""
    victim, work = tmp_path / "victim", tmp_path / ".x.index.features"
    victim.mkdir()
    (victim / "precious").write_text("precious")
    work.symlink_to(victim)
    with pytest.raises(ArtefactError, match="is a link, and no folder of zscr's own"):
        work_folder(work, "testing").__enter__()
    assert [path.name for path in victim.iterdir()] == ["precious"]
    assert work.is_symlink()


def test_a_lock_file_is_never_cut(tmp_path: Path) -> None:
    """It may hold what a stranger put there: a process id goes over its beginning, no more."""
    (tmp_path / LOCK).write_text("x" * 60)
    with writer_lock(tmp_path):
        pass
    content = (tmp_path / LOCK).read_text()
    assert content.split() == [str(os.getpid()), "x" * 40]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
def test_a_disk_without_locks_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """For who may not be two; a file that is replaced needs none, and no half is taken for dead."""
    half = tmp_path / ".x.00112233aabbccdd.partial"
    half.write_text("alive, for all that is known")

    def refuse(handle: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(ArtefactError, match="has no file locks .*; write to another disk"):
        writer_lock(tmp_path).__enter__()
    with pytest.raises(ArtefactError, match="has no file locks"):
        work_folder(tmp_path / "work", "testing").__enter__()
    write_atomically(tmp_path / "x", b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole"
    assert half.exists()


MAKER = """
import sys, time
from pathlib import Path
from zscr.artefact import made_once, make_alone, staged

def make(path):
    print("making", flush=True)
    with staged(path, "run"):
        time.sleep(0.3)

made_once(Path(sys.argv[1]), make)
"""


def test_of_many_makers_one_makes_and_the_others_wait(tmp_path: Path) -> None:
    """All succeed, the waiting is said, and nothing is left but what was made."""
    command = [sys.executable, "-c", MAKER, str(tmp_path / "cache/x")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    makers = [subprocess.Popen(command, **pipes) for _ in range(4)]
    said = [maker.communicate() for maker in makers]
    assert [maker.returncode for maker in makers] == [0] * 4, said
    assert "".join(out for out, _ in said) == "making\n"
    assert all("waiting for process" in err for out, err in said if not out and err)
    assert os.listdir(tmp_path / "cache") == ["x"]


def test_a_work_folder_that_comes_and_goes_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """Each removes it, while the others find it, or find it gone, between any of their steps."""
    inside: list[int] = []

    def work() -> int:
        for _ in range(100):
            with work_folder(tmp_path / "work", "testing"):
                inside.append(1)
                assert len(inside) == 1
                inside.pop()
        return 1

    with ThreadPoolExecutor(4) as pool:
        assert [one.result() for one in [pool.submit(work) for _ in range(4)]] == [1] * 4
    assert not (tmp_path / "work").exists()


def test_of_two_that_make_one_the_later_is_told_to_use_it(tmp_path: Path) -> None:
    """It has waited, has made nothing, and is not advised to remove what the other has made."""
    begun, path = threading.Event(), tmp_path / "x"

    def make(place: Path) -> None:
        with staged(place, "run"):
            begun.set()
            time.sleep(0.2)

    first = threading.Thread(target=make_alone, args=(path, make))
    first.start()
    begun.wait()
    with pytest.raises(ArtefactError, match="another process has just made .*x; use that one$"):
        make_alone(path, make)
    first.join()
    with pytest.raises(ArtefactError, match="exists already; name another place"):
        make_alone(path, make)
    assert os.listdir(tmp_path) == ["x"]


def test_who_waits_can_be_interrupted(tmp_path: Path) -> None:
    """Ctrl-C ends the wait at once."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom zscr.lock import work_folder\n"
        "with work_folder(Path(sys.argv[1]), 'testing'): pass"
    )
    with work_folder(tmp_path / "work", "testing"):
        command = [sys.executable, "-c", script, str(tmp_path / "work")]
        waiter = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert waiter.stderr is not None
        said = waiter.stderr.readline()
        assert said.startswith(f"waiting for process {os.getpid()}, which is testing; Ctrl-C")
        waiter.send_signal(signal.SIGINT)
        assert waiter.wait(30) != 0
        waiter.stderr.close()
    assert os.listdir(tmp_path) == []


def test_numbered_artefacts_never_meet(tmp_path: Path) -> None:
    """Two that are made at the same time take a number each, in the order of their ends."""
    with staged(tmp_path / "run", "run", numbered=True) as first:
        with staged(tmp_path / "run", "run", numbered=True) as second:
            second.body["name"] = "second"
        first.body["name"] = "first"
    assert [one.path.name for one in (first, second)] == ["run-002", "run-001"]
    assert read_manifest(tmp_path / "run-001", "run").body == {"name": "second"}


def test_folders_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before an artefact has its name, all in it has been synced; then the new folders above."""
    synced: list[str] = []
    fsync, rename = os.fsync, os.rename

    def spy_fsync(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def spy_rename(source: Path, target: Path) -> None:
        inner = {str(source / name) for name in ("sub/deep/file", "sub/deep", "sub", "")}
        assert {name.rstrip("/") for name in inner} | {f"{source}/manifest.json"} <= {*synced}
        assert {str(tmp_path), str(tmp_path / "a")} <= {*synced}
        synced.clear()
        rename(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "rename", spy_rename)
    with staged(tmp_path / "a/b/run", "run") as stage:
        (stage.folder / "sub/deep").mkdir(parents=True)
        (stage.folder / "sub/deep/file").write_text("x")
    assert synced == [str(tmp_path / "a/b")]


def test_who_was_slower_is_not_told_to_remove_anything(tmp_path: Path) -> None:
    """Another process has made it while this one was at it: that one is to be used."""

    def late() -> None:
        with staged(tmp_path / "x", "run"), staged(tmp_path / "x", "run"):
            pass

    with pytest.raises(ArtefactError, match="another process has just made .*; use that one$"):
        late()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (OSError(errno.ENOSPC, "x"), "the disk is full"),
        (OSError(errno.EDQUOT, "x"), r"the disk is full \(your quota"),
        (OSError(errno.EFBIG, "x"), "larger than a file may be"),
        (OSError(errno.EIO, "x"), "input/output error"),
        (OSError(errno.EROFS, "x"), "its disk is read-only"),
        (OSError("1000 requested and 512 written"), "only a part of"),
        (OSError("encoder error -2 when writing image file"), "only a part of"),
    ],
)
def test_what_a_disk_refuses_is_one_sentence(fault: OSError, told: str) -> None:
    """Whether it has an errno or, as numpy's and Pillow's, has lost it."""
    with pytest.raises(ArtefactError, match=told) as refused, disk_faults(Path("x.npy")):
        raise fault
    assert "x.npy" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_image_that_cannot_be_read_is_no_full_disk() -> None:
    """Pillow's errors have no errno, either."""
    with pytest.raises(OSError, match="truncated"), disk_faults(Path("x")):
        raise OSError("image file is truncated (3 bytes not processed)")


def test_places_are_checked_before_the_work(tmp_path: Path) -> None:
    """A file in the way of a folder, a place that is taken, a disk that is too small."""
    (tmp_path / "file").write_text("")
    require_writable(tmp_path / "new/deep/x", new=True)
    with pytest.raises(ArtefactError, match="for .*file is no folder"):
        require_writable(tmp_path / "file/x")
    (tmp_path / "taken").symlink_to("nowhere")
    with pytest.raises(ArtefactError, match="exists already"):
        require_writable(tmp_path / "taken", new=True)
    require_space(tmp_path / "new/x", 1)
    with pytest.raises(
        ArtefactError, match=r"needs \d+\.\d\d MB and the disk has \d+\.\d\d MB left"
    ):
        require_space(tmp_path / "new/x", 1 << 60)


def test_a_maker_that_fails_leaves_no_new_parents(tmp_path: Path) -> None:
    """Nor a lock, nor a half."""

    def fail(path: Path) -> None:
        with staged(path, "run"):
            raise ValueError

    with pytest.raises(ValueError, match="^$"):
        made_once(tmp_path / "a/x", fail)
    with pytest.raises(ValueError, match="^$"):
        fail(tmp_path / "b/c/x")
    assert list(tmp_path.rglob("*")) == []
