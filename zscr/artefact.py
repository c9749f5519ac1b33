"""Folders with a manifest: written beside, synced, renamed into place last; hashed before use.

Every hand-over between the stages (collection, run, bundle, index, encoder) is such a folder, so
that a kill at any moment leaves either the whole artefact under its name or nothing.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any

from zscr.disk import disk_faults, fsync, new_parents, reading_faults, require_writable
from zscr.errors import ArtefactError
from zscr.lock import is_busy, work_folder
from zscr.manifest_file import check_files, read_limited
from zscr.partial import partial_folder, write_atomically
from zscr.proven import identity, is_proven, remember
from zscr.regular import open_regular
from zscr.schema import Check, anything
from zscr.strict_json import parse_json

MANIFEST = "manifest.json"
SEAL = "seal"  # the file of a signature, where an artefact has one
SCHEMA = 4
SCHEMAS = {"index": 5}  # kind -> where it is another
REMAKE = {  # kind -> how one is made anew, once the old one is out of the way
    "collection": "'zscr data make aviary' or 'zscr data convert', whichever made it",
    "encoder": "'zscr train'",
    "run": "'zscr train'",
    "bundle": "'zscr export'",
    "index": "'zscr index add'",
    "engine": "'zscr engine build'",
    "snapshot": "the same command again",
    "descriptions": "'zscr data describe'",
    "bench": "'zscr bench'",
    "graph": "the same command again",
    "exchange": "'zscr index export'",
}


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says: the artefact's kind, its files, and the kind's own fields.

    Attributes:
        kind: `collection`, `encoder`, `run`, `bundle`, `index`, `engine`, `snapshot`,
            `descriptions`, `bench`, `graph` or `exchange`.
        files: relative posix path -> `{"sha256": hex, "bytes": size}`.
        body: the remaining fields, which belong to the kind.
        sha256: hash of the manifest file; since it holds every file's hash, it names the contents.
    """

    kind: str
    files: Mapping[str, Mapping[str, Any]]
    body: Mapping[str, Any]
    sha256: str


@dataclass
class Stage:
    """An artefact in the making: put files into `folder`, the kind's fields into `body`.

    Attributes:
        folder: hidden, and locked until it is published; its manifest is empty until then.
        path: where it is published; of a numbered one known at the end alone.
        body: the kind's fields of the manifest.
        sign: makes the file `seal` of the manifest's sha256; without it there is none.
    """

    folder: Path
    path: Path
    body: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[str], str] | None = None

    @property
    def files(self) -> dict[str, Path]:
        """Its files by their names in the manifest, without this itself."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        named = {path.relative_to(self.folder).as_posix(): path for path in found}
        return {name: path for name, path in named.items() if name != MANIFEST}


@contextmanager
def staged(path: Path, kind: str, *, numbered: bool = False) -> Iterator[Stage]:
    """Yield a hidden sibling of `path`; publish it under `path` if the block succeeds.

    Args:
        path: the folder to make; its parents are made, too.
        kind: of the artefact.
        numbered: publish it as the first `<path>-<number>` that is free at the end, so that any
            number of processes may make one at the same time.

    Raises:
        ArtefactError: `path` exists already, or the disk is full, failing or read-only. Nothing is
            left behind.
    """
    if not numbered:
        require_writable(path, new=True)
    with disk_faults(path), new_parents(path):
        with partial_folder(path, MANIFEST) as (folder, handle):
            stage = Stage(folder, path)
            yield stage
            _seal(stage, kind, handle)
            _publish(stage, numbered=numbered)
        fsync(path.parent)


def made_once(path: Path, make: Callable[[Path], object]) -> Path:
    """Let `make` make the artefact `path`, unless it is there; return `path`.

    While another process makes it, wait for that one.
    """
    work = path.with_name(f".{path.name}.making")
    if not path.exists() or (work.exists() and not is_busy(work)):  # one that was killed is left
        with work_folder(work, f"making {path}"):
            if not path.exists():
                make(path)
    return path


def make_alone(path: Path, make: Callable[[Path], object]) -> None:
    """Let `make` make the artefact `path`, which must be new, while nobody else makes it.

    Raises:
        ArtefactError: it is there, or another process that was waited for has made it.
    """
    require_writable(path, new=True)
    with work_folder(path.with_name(f".{path.name}.making"), f"making {path}"):
        if path.exists():
            raise ArtefactError(f"another process has just made {path}; use that one")
        make(path)


def next_folder(path: Path) -> Path:
    """Return the first free `<path>-<number>`."""
    taken = {one.name for one in path.parent.glob(f"{escape(path.name)}-*")}
    number = next(n for n in range(1, len(taken) + 2) if f"{path.name}-{n:03d}" not in taken)
    return path.with_name(f"{path.name}-{number:03d}")


def _publish(stage: Stage, *, numbered: bool) -> None:
    wished = stage.path
    while True:
        stage.path = next_folder(wished) if numbered else wished
        try:
            os.rename(stage.folder, stage.path)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            if not numbered:
                raise ArtefactError(
                    f"another process has just made {wished}; use that one"
                ) from error
        else:
            return


def _seal(stage: Stage, kind: str, handle: int) -> None:
    """Sync all that is in a stage, and fill its manifest, which is the locked file."""
    files = {name: file_entry(path) for name, path in stage.files.items()}
    for path in stage.files.values():
        fsync(path)
    with open(handle, "wb", closefd=False) as manifest:
        manifest.write(content := _manifest(kind, files, stage.body))
    os.fsync(handle)
    if stage.sign:
        (stage.folder / SEAL).write_text(stage.sign(hash_bytes(content)) + "\n", "ascii")
        fsync(stage.folder / SEAL)
    for folder in sorted(path for path in stage.folder.rglob("*") if path.is_dir()):
        fsync(folder)
    fsync(stage.folder)


def write_manifest(
    folder: Path, kind: str, files: Mapping[str, Mapping[str, Any]], body: Mapping[str, Any]
) -> None:
    """Write `folder/manifest.json` atomically; replacing it is what commits a new generation."""
    write_atomically(folder / MANIFEST, _manifest(kind, files, body))


def _manifest(kind: str, files: Mapping[str, Mapping[str, Any]], body: Mapping[str, Any]) -> bytes:
    content = {"kind": kind, "schema": SCHEMAS.get(kind, SCHEMA), "files": dict(files), **body}
    return dump_json(content | {"checksum": _checksum(content)})


def _checksum(content: Mapping[str, Any]) -> str:
    """Hash a manifest's own fields, in their order: no other file vouches for them."""
    return hash_bytes(json.dumps(content, ensure_ascii=False, allow_nan=False).encode())


def read_manifest(folder: Path, kind: str, fields: Check = anything) -> Manifest:
    """Read and check `folder/manifest.json` without touching the files it names.

    Args:
        folder: of the artefact.
        kind: that it must be.
        fields: what the kind's own fields may be.

    Raises:
        ArtefactError: no folder, no manifest, not JSON, another kind or another schema, a file's
            name that leads out of the folder, or a field that is something else.
    """
    path = folder / MANIFEST
    with reading_faults(path):
        if not path.is_file():
            raise ArtefactError(f"{folder} is no {kind}: it has no {MANIFEST}")
        raw = read_limited(path)
    try:
        content = parse_json(raw, shortest=True)
        sound = content.pop("checksum", None) == _checksum(content)
        found, schema, files = content.pop("kind"), content.pop("schema"), content.pop("files")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ArtefactError(f"{path} is damaged ({error!r}); make the {kind} again") from error
    if found != kind:
        raise ArtefactError(f"{folder} is of kind {found!s:.40}, and no {kind}")
    wanted = SCHEMAS.get(kind, SCHEMA)
    if schema != wanted:
        older = isinstance(schema, int) and schema < wanted
        mend = f"remove it, then run {REMAKE[kind]}" if older else "upgrade zscr"
        raise ArtefactError(f"{folder} has schema {schema!s:.40}, this zscr reads {wanted}; {mend}")
    if not sound:
        raise ArtefactError(f"{path} is damaged: its checksum is wrong; make the {kind} again")
    try:
        check_files(files)
        fields(content, "")
    except ValueError as error:
        raise ArtefactError(f"{path} is no {kind}'s: {error}; make the {kind} again") from error
    return Manifest(found, files, content, hashlib.sha256(raw).hexdigest())


def kind_of(folder: Path) -> str | None:
    """Return the kind that a folder's manifest states, or None where there is no manifest.

    Raises:
        ArtefactError: the manifest cannot be read.
    """
    path = folder / MANIFEST
    try:
        with reading_faults(path):
            return str(parse_json(read_limited(path))["kind"]) if path.is_file() else None
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path} is damaged ({error!r}); make {folder} again") from error


def verify(folder: Path, manifest: Manifest, names: list[str] | None = None) -> None:
    """Compare the size and sha256 of `names` (default: every file) with the manifest.

    Raises:
        ArtefactError: a file is missing, or one byte of it differs. Names the file.
    """
    for name in manifest.files if names is None else names:
        path, entry = listed(folder, manifest, name)
        with reading_faults(path), open_regular(path) as file:
            handle, sha256 = file.fileno(), entry["sha256"]
            seen = identity(handle)
            if seen.size != entry["bytes"]:
                raise _damaged(path, manifest)
            if not is_proven(seen, sha256):
                if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                    raise _damaged(path, manifest)
                remember(handle, seen, sha256)


def read_verified(folder: Path, manifest: Manifest, name: str) -> bytearray:
    """Return the bytes of a file that the manifest lists: those that are, or were, hashed.

    Raises:
        ArtefactError: the file is missing, or one byte of it differs.
    """
    path, entry = listed(folder, manifest, name)
    sha256 = entry["sha256"]
    with reading_faults(path), open_regular(path) as file:
        handle = file.fileno()
        seen = identity(handle)
        content = bytearray(entry["bytes"] if seen.size == entry["bytes"] else 0)
        whole = file.readinto(content) == entry["bytes"] and not file.read(1)
        known = is_proven(identity(handle), sha256)  # looked at once it was read
        if not whole or not (known or hash_bytes(content) == sha256):
            raise _damaged(path, manifest)
        if not known:
            remember(handle, seen, sha256)
    return content


def listed(folder: Path, manifest: Manifest, name: str) -> tuple[Path, Mapping[str, Any]]:
    """Return the path of a file that a manifest lists, and its entry.

    Raises:
        ArtefactError: the manifest does not list it, or it is missing.
    """
    if name not in manifest.files:
        raise ArtefactError(f"{folder / MANIFEST} does not list {name}; make it again")
    with reading_faults(folder / name):
        there = (folder / name).is_file()
    if not there:
        raise ArtefactError(f"{folder} lacks {name}; copy the folder again or make it anew")
    return folder / name, manifest.files[name]


def _damaged(path: Path, manifest: Manifest) -> ArtefactError:
    return ArtefactError(
        f"{path} is damaged: its sha256 is not the one in {MANIFEST}; "
        f"copy the folder again or make the {manifest.kind} anew"
    )


def file_entry(path: Path) -> dict[str, Any]:
    """Return the manifest's entry for one file."""
    return {"sha256": hash_file(path), "bytes": path.stat().st_size}


def hash_file(path: Path) -> str:
    """Return the sha256 of a regular file's bytes as hex."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_bytes(content: bytes | bytearray | memoryview) -> str:
    """Return the sha256 of `content` as hex."""
    return hashlib.sha256(content).hexdigest()


def dump_json(content: Any) -> bytes:
    """Serialise as readable JSON; NaN is refused because other readers refuse it."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def dump_jsonl(rows: Any) -> bytes:
    """Serialise one compact JSON object a line."""
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    return "".join(line + "\n" for line in lines).encode()
