"""ZIP sources: sound ones are extracted, every known trick is refused by name."""

from __future__ import annotations

import os
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from zscr.data.sources.archive import extract, opened
from zscr.errors import ArtefactError, InputError


def entry(name: str, mode: int = stat.S_IFREG | 0o600) -> zipfile.ZipInfo:
    """Describe an entry with a Unix mode."""
    info = zipfile.ZipInfo("x")
    info.filename = name  # the constructor would replace separators
    info.external_attr = mode << 16
    return info


def pack(path: Path, *entries: tuple[zipfile.ZipInfo, bytes], method: int = 8) -> Path:
    """Write a ZIP of the given entries."""
    with zipfile.ZipFile(path, "w") as file:
        for info, content in entries:
            file.writestr(info, content, compress_type=method)
    return path


def test_sound_archive_is_extracted_and_removed(tmp_path):
    """Names, nested folders and bytes arrive; the folder is gone afterwards."""
    archive = pack(
        tmp_path / "a.zip",
        (entry("a/", stat.S_IFDIR | 0o700), b""),
        (entry("a/b/ü.txt"), b"text"),
        (entry("empty"), b""),
    )
    with opened(archive) as folder:
        assert (folder / "a/b/ü.txt").read_bytes() == b"text"
        assert (folder / "empty").read_bytes() == b""
    assert not folder.exists()


def test_folder_is_used_as_it_is(tmp_path):
    """A folder is not copied, and still there afterwards."""
    with opened(tmp_path) as folder:
        assert folder == tmp_path
    assert tmp_path.is_dir()


@pytest.mark.parametrize(
    ("name", "mode", "named"),
    [
        ("/etc/x", stat.S_IFREG, "absolute"),
        ("../x", stat.S_IFREG, "climbs"),
        ("a/../../x", stat.S_IFREG, "climbs"),
        ("a//x", stat.S_IFREG, "empty part"),
        ("a\\..\\x", stat.S_IFREG, "other systems"),
        ("C:x", stat.S_IFREG, "other systems"),
        ("x" * 256, stat.S_IFREG, "overlong"),
        ("x/" * 15_000 + "x", stat.S_IFREG, "overlong"),
        ("x/" * 400 + "x", stat.S_IFREG, "overlong"),
        ("a/CON.txt", stat.S_IFREG, "device"),
        ("a:b", stat.S_IFREG, "other systems"),
        ("link", stat.S_IFLNK, "link"),
        ("pipe", stat.S_IFIFO, "link or a device"),
        ("device", stat.S_IFBLK, "link or a device"),
    ],
)
def test_unsafe_entries_are_refused(tmp_path, name, mode, named):
    """Nothing is written when one entry is unsafe, not even the sound ones before it."""
    archive = pack(tmp_path / "a.zip", (entry("fine"), b"x"), (entry(name, mode), b"/etc/passwd"))
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=named):
        extract(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["a", "a/b", "a/"])
def test_paths_that_occur_twice_are_refused(tmp_path, second):
    """The same file twice, or a file that is a folder too."""
    archive = pack(tmp_path / "a.zip", (entry("a"), b"1"), (entry(second), b""))
    with pytest.raises(InputError, match="occurs twice"):
        extract(archive, tmp_path)


@pytest.mark.parametrize(
    ("first", "second"), [("A/x", "a/y"), ("photo.jpg", "Photo.JPG"), ("caf\u00e9", "cafe\u0301")]
)
def test_paths_that_some_systems_mix_up_are_refused(tmp_path, first, second):
    """They differ in case or in Unicode's forms alone; elsewhere one would overwrite the other."""
    archive = pack(tmp_path / "a.zip", (entry(first), b"1"), (entry(second), b"2"))
    with pytest.raises(InputError, match="differ in case or accents alone"):
        extract(archive, tmp_path)


def damaged_directory(path: Path, at: int, content: bytes) -> Path:
    """Overwrite bytes of the directory's first entry, `at` bytes behind its start."""
    archive = pack(path, (entry("photo.jpg"), b"1234567890"), (entry("b"), b"x"), method=0)
    raw = bytearray(archive.read_bytes())
    start = raw.index(b"PK\1\2") + at
    raw[start : start + len(content)] = content
    archive.write_bytes(raw)
    return archive


@pytest.mark.parametrize(
    ("at", "content"),
    [
        (8, b"\0\x08" + b"\0" * 0),  # says that its name is UTF-8, see below
        (42, b"\xff\xff\xff\xff"),  # its place, far behind the end
        (42, b"\0\0\0\x80"),
        (42, b"\x05\0\0\0"),  # in the middle of another thing
        (20, b"\xff\xff\xff\xff"),  # its packed size
        (24, b"\xff\xff\xff\xff"),  # its size: ZIP64's, which is not there
        (28, b"\xff\xff"),  # the length of its name
        (10, b"\x63\0"),  # how it is packed
        (8, b"\1\0"),  # encrypted
        (46, b"\xff\xfe\xfd"),  # its name, other than where it is stored
    ],
)
def test_directories_that_lie_are_one_sentence(tmp_path, at, content):
    """Whatever zipfile raises for them, struct.error and ValueError included."""
    archive = damaged_directory(tmp_path / "a.zip", at, content)
    if at == 8 and content[1:2] == b"\x08":
        damaged = archive.read_bytes().replace(b"photo.jpg", b"\xffhoto.jpg")
        archive.write_bytes(damaged)
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError) as refused:
        extract(archive, tmp_path / "out")
    assert "\n" not in str(refused.value)


def test_entries_that_overlap_are_refused(tmp_path):
    """Two entries of the directory are stored in the same place."""
    archive = pack(tmp_path / "a.zip", (entry("a"), bytes(99)), (entry("b"), b"x"), method=0)
    raw = bytearray(archive.read_bytes())
    second = raw.index(b"PK\1\2", raw.index(b"PK\1\2") + 1)
    raw[second + 42 : second + 46] = struct.pack("<I", 10)
    archive.write_bytes(raw)
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="overlap"):
        extract(archive, tmp_path / "out")


def test_overlong_paths_take_no_memory(tmp_path):
    """A path of 15,000 folders in 60 KB was 880 MB of parents of it."""
    archive = pack(tmp_path / "a.zip", *[(entry(f"{n}/" + "x/" * 14_000), b"") for n in range(2)])
    tracemalloc.start()
    with pytest.raises(InputError, match="overlong"):
        extract(archive, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * archive.stat().st_size


def test_bomb_is_refused_before_it_is_unpacked(tmp_path):
    """40 MB of zeros in 40 kB pass neither the entry's ratio nor the archive's."""
    archive = pack(tmp_path / "a.zip", (entry("zeros"), bytes(40_000_000)))
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="more than 200 times"):
        extract(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_many_small_bombs_are_refused_together(tmp_path):
    """Entries below the size at which ratios count may not exceed the archive's ratio."""
    bombs = [(entry(f"zeros{i}"), bytes(1_000_000)) for i in range(50)]
    archive = pack(tmp_path / "a.zip", *bombs)
    with pytest.raises(InputError, match="times its own size"):
        extract(archive, tmp_path)


def test_lying_size_is_an_error(tmp_path):
    """An entry that holds more than its directory says is not extracted beyond it."""
    archive = pack(tmp_path / "a.zip", (entry("x"), b"1234567890"), method=0)
    raw = archive.read_bytes()
    size = raw.index(b"PK\1\2") + 24
    archive.write_bytes(raw[:size] + struct.pack("<I", 4) + raw[size + 4 :])
    with pytest.raises(InputError, match="not a sound ZIP"):
        extract(archive, tmp_path)


def test_damaged_archives_are_refused(tmp_path):
    """A flipped byte in an entry, a missing end, and no archive at all."""
    archive = pack(tmp_path / "a.zip", (entry("x"), bytes(range(200))), method=0)
    raw = bytearray(archive.read_bytes())
    for damaged in (raw[:100] + bytes([raw[100] ^ 1]) + raw[101:], raw[:-30], b"no archive"):
        archive.write_bytes(damaged)
        with pytest.raises(InputError, match="not a sound ZIP"):
            extract(archive, tmp_path / "out")
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(InputError, match="is a named pipe"), opened(tmp_path / "pipe.zip"):
        pass
    with pytest.raises(InputError, match="does not exist"), opened(tmp_path / "none.zip"):
        pass


def test_other_packings_are_refused(tmp_path):
    """bzip2 and lzma have no bounded ratio."""
    archive = pack(tmp_path / "a.zip", (entry("x"), b"text"), method=zipfile.ZIP_LZMA)
    with pytest.raises(InputError, match="deflate"):
        extract(archive, tmp_path)


def test_full_disk_is_one_sentence(small_disk, tmp_path):
    """Extraction onto a disk that is too small ends in an error of ours."""
    noise = bytes(i * i % 251 for i in range(300_000)) * 8
    archive = pack(tmp_path / "a.zip", (entry("x"), noise), method=0)
    with pytest.raises(ArtefactError, match="disk is full"):
        extract(archive, small_disk)
