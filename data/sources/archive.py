"""Opens a source that is a folder or a ZIP; an archive can write nowhere else and cannot bloat."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from zscr.disk import disk_faults, require_space
from zscr.errors import InputError

MAX_BYTES = 64 << 30  # all entries together, extracted
MAX_ENTRIES = 2_000_000
MAX_RATIO = 200  # extracted to packed; images have 1, vectors of many zeros up to about 100
_RATIO_FREE = 1 << 20  # small entries (a list of one repeated word) may have any ratio
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@contextmanager
def opened(source: Path) -> Iterator[Path]:
    """Yield `source` if it is a folder; extract it for the time being if it is a ZIP.

    Raises:
        InputError: `source` is neither, or a ZIP that `extract` refuses.
    """
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise InputError(f"{source} does not exist; name a folder or a ZIP file")
    with tempfile.TemporaryDirectory(prefix="zscr-") as name:
        extract(source, Path(name))
        yield Path(name)


def extract(archive: Path, folder: Path) -> None:
    """Extract a ZIP into an existing folder after checking every entry of its directory.

    Raises:
        InputError: not a ZIP, damaged, encrypted, too large, or with an entry that is a link, has
            an unsafe path or occurs twice. Names the entry.
        ArtefactError: the disk is full.
    """
    try:
        with zipfile.ZipFile(archive) as file, disk_faults(folder):
            entries = file.infolist()
            _check_all(archive, entries)
            require_space(folder, sum(entry.file_size for entry in entries))
            for entry in entries:
                _extract_one(file, entry, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
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
    # Measured against the file itself: entries may overlap in it, so their own ratios can lie.
    total = sum(entry.file_size for entry in entries)
    if total > min(MAX_BYTES, _RATIO_FREE + MAX_RATIO * archive.stat().st_size):
        raise InputError(
            f"{archive} would extract to {total} bytes, over {MAX_BYTES} or over {MAX_RATIO} "
            f"times its own size; unpack it yourself if you trust it, and name the folder"
        )


def _check_tree(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse paths that occur twice, or that are a file here and a folder there."""
    files = Counter(PurePosixPath(entry.filename) for entry in entries if not entry.is_dir())
    folders = {PurePosixPath(entry.filename) for entry in entries if entry.is_dir()}
    folders.update(parent for path in files for parent in path.parents)
    twice = [path for path, count in files.items() if count > 1 or path in folders]
    if twice:
        raise InputError(f"{archive}: the entry {str(twice[0])[:80]!a} occurs twice")


def _fault(entry: zipfile.ZipInfo) -> str | None:
    """Return why one entry is refused, or None."""
    mode, parts = entry.external_attr >> 16, entry.filename.rstrip("/").split("/")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device; only files and folders are extracted"
    if any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts):
        return "has a path that is absolute, climbs up or is overlong"
    if any(sign in entry.filename for sign in "\\:\0"):
        return "has a path that other systems read as absolute"
    if entry.flag_bits & 1:
        return "is encrypted; unpack it yourself and name the folder"
    if entry.compress_type not in _METHODS:
        return "is packed with something other than deflate; pack it again"
    if entry.file_size > _RATIO_FREE + MAX_RATIO * entry.compress_size:
        return f"would grow more than {MAX_RATIO} times when extracted"
    return None
