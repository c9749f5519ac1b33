"""Tar shards are listed without being unpacked; what is broken or hostile is told and left out."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from zscr.data.corpus import Member
from zscr.data.sources import shards
from zscr.data.sources.shards import read_shard, shards_of
from zscr.errors import InputError

Told = list[tuple[str, str]]


def image(number: int, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (number, 2 * number, 90)).save(buffer, form)
    return buffer.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes = b"", **about: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in about.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(content))


def read(path: Path) -> tuple[list[Member], Told, Counter[str]]:
    told: Told = []
    passed: Counter[str] = Counter()
    found = read_shard(path, lambda source, reason: told.append((source, reason)), passed)
    return found, told, passed


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """Three samples of an image, a caption and more, with names as WebDataset's."""
    path = tmp_path / "cc-0000.tar"
    with tarfile.open(path, "w") as tar:
        for number, form in enumerate(("jpg", "png", "webp")):
            kind = {"jpg": "JPEG"}.get(form, form.upper())
            add(tar, f"{number:05d}.{form}", image(number, kind))
            add(tar, f"{number:05d}.txt", b"a caption that nobody reads")
            add(tar, f"{number:05d}.seg.png", image(200))
    return path


def test_images_are_found_where_they_lie(shard: Path) -> None:
    """Their bytes are those at the place that is told; captions and other fields are counted."""
    found, told, passed = read(shard)
    assert [member.name for member in found] == ["00000.jpg", "00001.png", "00002.webp"]
    assert passed == {"*.txt": 3, "*.seg.png": 3}
    assert told == []
    raw = shard.read_bytes()
    assert raw[found[1].offset : found[1].offset + found[1].bytes] == image(1)


HOSTILE: dict[str, Callable[[tarfile.TarFile], None]] = {
    "climbs up": lambda tar: add(tar, "../evil.png", image(1)),
    "is absolute": lambda tar: add(tar, "/etc/evil.png", image(1)),
    "is a link": lambda tar: add(tar, "l.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "link, a device": lambda tar: add(tar, "h.png", type=tarfile.LNKTYPE, linkname="a.png"),
    "or a sparse": lambda tar: add(tar, "d.png", type=tarfile.CHRTYPE),
    "occurs twice": lambda tar: add(tar, "a.png", image(2)),
    "has 0 bytes": lambda tar: add(tar, "z.png"),
}


@pytest.mark.parametrize("reason", HOSTILE)
def test_hostile_members_are_left_out_and_told(tmp_path: Path, reason: str) -> None:
    """The images before and behind them stay; nothing is written anywhere."""
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        add(tar, "a.png", image(1))
        HOSTILE[reason](tar)
        add(tar, "b.png", image(3))
    found, [(where, why)], _ = read(path)
    assert [member.name for member in found] == ["a.png", "b.png"]
    assert where.startswith(f"{path}: ")
    assert reason in why
    assert [*tmp_path.iterdir()] == [path]


def test_too_large_and_too_many(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "LARGEST", len(image(1)))
    found, told, _ = read(shard)
    assert len(found) < 3
    assert "which no image has" in told[0][1]
    monkeypatch.setattr(shards, "MOST_MEMBERS", 4)
    _, told, _ = read(shard)
    assert "over 4 members" in told[-1][1]


@pytest.mark.parametrize("where", ["in a header", "in an image", "before the mark of the end"])
def test_a_shard_that_breaks_off_is_named(shard: Path, where: str) -> None:
    """What is whole before the break is taken, and the shard told once."""
    whole, _, _ = read(shard)
    raw = shard.read_bytes()
    last = whole[-1]
    stop = {"in a header": last.offset - 100, "in an image": last.offset + last.bytes // 2}
    shard.write_bytes(raw[: stop.get(where, len(raw.rstrip(b"\0")) // 512 * 512 + 512)])
    found, [(source, reason)], _ = read(shard)
    assert source == str(shard)
    assert "breaks off or is damaged" in reason
    assert found == (whole if where.startswith("before") else whole[:-1])


def test_a_damaged_header_is_not_the_end(shard: Path) -> None:
    """Python's tarfile stops there without a word."""
    whole, _, _ = read(shard)
    raw = bytearray(shard.read_bytes())
    raw[whole[1].offset - 512 : whole[1].offset - 500] = b"\xff" * 12
    shard.write_bytes(raw)
    found, [(_, reason)], _ = read(shard)
    assert found == whole[:1]
    assert "damaged" in reason


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "no tar"), (b"x" * 2000, "no tar"), (b"\x1f\x8b" + b"x" * 600, "packed")],
)
def test_what_is_no_shard(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(InputError, match=told):
        read(tmp_path / "x.tar")


def test_a_header_that_would_fill_the_memory(tmp_path: Path) -> None:
    """A name of 4 GB is damage, and not read."""
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        add(tar, "a.png", image(1))
        add(tar, "n" * 300 + ".png", image(2))
    raw = bytearray(path.read_bytes())
    start = raw.index(b"././@LongLink")
    raw[start + 124 : start + 136] = b"%011o\0" % (4 << 30)
    head = raw[start : start + 512]
    head[148:156] = b" " * 8
    raw[start + 148 : start + 156] = b"%06o\0 " % sum(head)
    path.write_bytes(raw)
    found, [(_, reason)], _ = read(path)
    assert [member.name for member in found] == ["a.png"]
    assert "a header of 4294967296 bytes" in reason


def test_ranges_of_shards(tmp_path: Path) -> None:
    """Zeros are kept, several ranges multiply, and what is missing is counted."""
    for name in ("s-08", "s-09", "s-10", "t1-8", "t1-9", "t2-8", "t2-9"):
        (tmp_path / f"{name}.tar").touch()
    named = [path.name for path in shards_of(tmp_path / "s-{08..10}.tar")]
    assert named == ["s-08.tar", "s-09.tar", "s-10.tar"]
    named = [path.name for path in shards_of(tmp_path / "t{1..2}-{8..9}.tar")]
    assert named == ["t1-8.tar", "t1-9.tar", "t2-8.tar", "t2-9.tar"]
    with pytest.raises(InputError, match=r"2 of the 5 shards .* first is .*s-11.tar"):
        shards_of(tmp_path / "s-{08..12}.tar")
    for pattern in ("s-{5..3}.tar", "s-{0..999999999}.tar"):
        with pytest.raises(InputError, match="name from 1 to"):
            shards_of(tmp_path / pattern)
    assert len(shards_of(tmp_path)) == 7
