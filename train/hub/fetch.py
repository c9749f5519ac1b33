"""One file of a hub: its bytes go on where they ended, and are believed once they are hashed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, BinaryIO

from zscr.artefact import hash_file
from zscr.disk import disk_faults
from zscr.errors import ArtefactError
from zscr.patience import PassingFault
from zscr.progress import Progress
from zscr.regular import open_regular
from zscr.train.hub.client import Client
from zscr.train.hub.listing import HubFile
from zscr.train.hub.metadata import file_path

_MUCH, _SHARE = 1 << 20, 100  # a try that brings a MiB, or a hundredth, counts as no failure


def fetch(client: Client, revision: str, file: HubFile, path: Path, bar: Progress) -> None:
    """Bring a file to `path`, where a part of it may be already.

    Args:
        client: to ask.
        revision: the commit.
        file: of that commit.
        path: of the bytes; what is there after a kill or a failure is gone on with.
        bar: shows the bytes.

    Raises:
        ConfigError: it cannot be had.
        ArtefactError: it is not what the hub's listing says, and was removed; or the disk refuses.
    """
    with disk_faults(path):
        if path.is_file() and path.stat().st_size > file.size:
            path.unlink()
        path.touch()
        while path.stat().st_size < file.size:
            client.patiently(lambda: _go_on(client, revision, file, path, bar))
        if not is_sound(path, file):
            path.unlink()
            raise ArtefactError(
                f"{client.host} sent another {file.name} of '{client.name}' than it lists (its "
                f"hash is wrong), so it was removed; run the same command again, or ask another hub"
            )


def is_sound(path: Path, file: HubFile) -> bool:
    """Say whether the bytes at `path` are those of the file."""
    if path.stat().st_size != file.size:
        return False
    return (hash_file(path) if file.sha256 else _git_blob(path)) == file.digest


def _git_blob(path: Path) -> str:
    """Return git's id of a file: see `HubFile.blob`."""
    start = b"blob %d\0" % path.stat().st_size
    with open_regular(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.sha1(start)).hexdigest()


def _go_on(client: Client, revision: str, file: HubFile, path: Path, bar: Progress) -> None:
    """Append what one answer brings."""
    before = path.stat().st_size
    wanted = {"range": f"bytes={before}-"} if before else {}
    url = file_path(client, revision, file.name)
    try:
        with client.get(url, **wanted) as response, path.open("ab") as out:
            _append(response, out, before, file, bar)
    except PassingFault as fault:
        brought = path.stat().st_size - before
        fault.advanced = brought >= _MUCH or brought * _SHARE >= file.size
        raise


def _append(response: Any, out: BinaryIO, before: int, file: HubFile, bar: Progress) -> None:
    """Append a body to the `before` bytes that are there; to none of them if it is the whole."""
    if before and not response.headers.get("Content-Range", "").startswith(f"bytes {before}-"):
        out.truncate(0)  # the hub knows no ranges, or another file
        bar.advance(-before)
        before = 0
        if response.status_code != 200:
            raise PassingFault(f"the hub sends another part of {file.name} than was asked for")
    for chunk in response.iter_bytes():
        before += len(chunk)
        if before > file.size:
            out.truncate(0)
            raise ArtefactError(
                f"{file.name} is larger than the {file.size} bytes that the hub lists, so it was "
                f"removed; run the same command again, or ask another hub"
            )
        out.write(chunk)
        bar.advance(len(chunk))
    if before < file.size:
        raise PassingFault(f"{file.name} ended after {before} of {file.size} bytes")
