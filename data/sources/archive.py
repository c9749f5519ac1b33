"""Opens a source that is a folder or a ZIP; an archive can write nowhere else and cannot bloat."""

from __future__ import annotations

import shutil
import stat
import struct
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from zscr.disk import disk_faults, require_space
from zscr.errors import InputError
from zscr.names import name_fault
from zscr.regular import open_regular

MAX_BYTES = 64 << 30  # all entries together, extracted
MAX_ENTRIES = 2_000_000
MAX_RATIO = 200  # extracted to packed; images have 1, vectors of many zeros up to about 100
_RATIO_FREE = 1 << 20  # small entries (a list of one repeated word) may have any ratio
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LOCAL_HEADER = 30  # bytes before an entry's name, where it is stored
# What zipfile raises for numbers and names that lie, besides its own error.
_DAMAGE: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    ValueError,
    LookupError,
    OverflowError,
    RuntimeError,
)


@contextmanager
def opened(source: Path) -> Iterator[Path]:
    """Yield `source` if it is a folder; extract it for the time being if it is a ZIP.

    Raises:
        InputError: `source` is neither, or a ZIP that `extract` refuses.
    """
    if source.is_dir():
        yield source
        return
    if not source.exists():
        raise InputError(f"{source} does not exist; name a folder or a ZIP file")
    with tempfile.TemporaryDirectory(prefix="zscr-") as name:
        extract(source, Path(name))
        yield Path(name)


def extract(archive: Path, folder: Path) -> None:
    """Extract a ZIP into an existing folder after checking every entry of its directory.

    Raises:
        InputError: not a ZIP, damaged, encrypted, too large, or with an entry that is a link, has
            an unsafe path, overlaps another one or occurs twice. Names the entry.
        ArtefactError: the disk is full.
    """
    try:
        with open_regular(archive) as raw, zipfile.ZipFile(raw) as file, disk_faults(folder):
            entries = file.infolist()
            _check_all(archive, entries)
            require_space(folder, sum(entry.file_size for entry in entries))
            for entry in entries:
                _extract_one(file, entry, folder)
    except _DAMAGE as error:
        raise InputError(f"{archive} is not a sound ZIP file ({error}); fetch it again") from error


def _extract_one(file: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / entry.filename
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with file.open(entry) as source, target.open("xb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)


def _check_all(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise InputError(f"{archive} has {len(entries)} entries, over the limit of {MAX_ENTRIES}")
    for entry in entries:
        if reason := _fault(entry):
            raise InputError(f"{archive}: the entry {entry.filename[:80]!a} {reason}")
    _check_tree(archive, entries)
    _check_overlap(archive, entries)
    # Measured against the file itself: entries may overlap in it, so their own ratios can lie.
    total = sum(entry.file_size for entry in entries)
    if total > min(MAX_BYTES, _RATIO_FREE + MAX_RATIO * archive.stat().st_size):
        raise InputError(
            f"{archive} would extract to {total} bytes, over {MAX_BYTES} or over {MAX_RATIO} "
            f"times its own size; unpack it yourself if you trust it, and name the folder"
        )


def _check_tree(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse paths that are one on some systems, or are a file here and a folder there."""
    kinds: dict[str, tuple[str, bool]] = {}  # as case and accents fold -> the path, is it a folder
    for entry in entries:
        parts = entry.filename.rstrip("/").split("/")
        for count in range(1, len(parts) + 1):
            path, whole = "/".join(parts[:count]), count == len(parts)
            if not whole and kinds.get(path.lower()) == (path, True):
                continue  # a folder that is known, as most are
            folder = not whole or entry.is_dir()
            folded = path.lower() if path.isascii() else _folded(path)
            before = kinds.setdefault(folded, (path, folder)) if folder else kinds.get(folded)
            if before and before[0] != path:
                names = f"{before[0][:80]!a} and {path[:80]!a}"
                raise InputError(
                    f"{archive}: the entries {names} differ in case or accents alone, which some "
                    f"systems do not tell apart; rename one"
                )
            if before and not (folder and before[1]):
                raise InputError(f"{archive}: the entry {path[:80]!a} occurs twice")
            kinds[folded] = (path, folder)


def _folded(path: str) -> str:
    """Return a path as systems see it that tell neither case nor forms of accents apart."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _check_overlap(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse entries that share bytes of the archive: so a small one could hold very many."""
    for one, other in pairwise(sorted(entries, key=lambda entry: entry.header_offset)):
        least = _LOCAL_HEADER + len(one.orig_filename) + one.compress_size
        if one.header_offset + least > other.header_offset:
            names = f"{one.filename[:80]!a} and {other.filename[:80]!a}"
            raise InputError(f"{archive}: the entries {names} overlap; fetch it again")


def _fault(entry: zipfile.ZipInfo) -> str | None:
    """Return why one entry is refused, or None."""
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device; only files and folders are extracted"
    if fault := name_fault(entry.filename.removesuffix("/")):
        return fault
    if ":" in entry.filename or entry.header_offset < 0:
        return "has a path or a place that other systems read as another one"
    if entry.flag_bits & 1:
        return "is encrypted; unpack it yourself and name the folder"
    if entry.compress_type not in _METHODS:
        return "is packed with something other than deflate; pack it again"
    if entry.file_size > _RATIO_FREE + MAX_RATIO * entry.compress_size:
        return f"would grow more than {MAX_RATIO} times when extracted"
    return None
