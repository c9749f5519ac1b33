"""The user's key, and the seal of what this user has built with it.

An engine is a program: whoever may write one may run anything as the user who loads it, and a hash
beside it only tells of damage. So engines are sealed by HMAC-SHA256 with a random key that no one
else can read: `$ZSCR_CACHE/engines/key`, in a folder of mode 0700.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from zscr.cache import VARIABLE, cache_folder, require_room
from zscr.disk import disk_faults
from zscr.errors import ArtefactError
from zscr.lock import work_folder
from zscr.partial import atomic_file
from zscr.progress import say

_BYTES = 32
_OTHERS = 0o077  # what a mode gives to others than the user


def private_folder() -> Path:
    """Return `$ZSCR_CACHE/engines`, made and mended so that nobody else can look into it.

    Raises:
        ArtefactError: it belongs to somebody else, is a link, or cannot be made.
    """
    folder = cache_folder() / "engines"
    if not os.path.lexists(folder):
        require_room(folder)
        with disk_faults(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(0o700, exist_ok=True)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ArtefactError(
            f"{folder} is a link or belongs to another user, so no key can be kept there; remove "
            f"it, or set {VARIABLE} to a folder of your own"
        )
    if found.st_mode & _OTHERS:
        folder.chmod(0o700)
        say(
            f"{folder} was open to others (mode {found.st_mode & 0o777:04o}); it is yours alone now"
        )
    return folder


def user_key() -> bytes:
    """Return the user's key; a new one where there is none, or where others could read it.

    Raises:
        ArtefactError: see `private_folder`; or the key's file is not the user's own.
    """
    path = private_folder() / "key"
    if key := _read(path):
        return key
    with work_folder(path.with_name(".making"), "making the key of engines"):
        if not (key := _read(path)):  # or another process has made it by now
            key = secrets.token_bytes(_BYTES)
            with atomic_file(path) as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(key)
    return key


def key_name(key: bytes) -> str:
    """Return what tells keys apart and says nothing of them: 16 hex digits."""
    return hashlib.sha256(b"zscr, name of a key\n" + key).hexdigest()[:16]


def seal_of(key: bytes, sha256: str) -> str:
    """Return the seal, as hex, of a manifest with a sha256; it lists the hash of the engine."""
    return hmac.new(key, b"zscr, an engine\n" + sha256.encode(), hashlib.sha256).hexdigest()


def is_sealed(key: bytes, sha256: str, seal: str) -> bool:
    """Say whether a seal is the one that a key makes, in a time that does not depend on it."""
    return hmac.compare_digest(seal_of(key, sha256).encode(), seal.encode())


def _read(path: Path) -> bytes | None:
    """Return the key that is kept; None where there is none, or none that is secret and whole."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read ({error.strerror}); remove it") from error
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        own = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
        if not own or found.st_uid != os.geteuid():
            raise ArtefactError(
                f"{path} is no file of yours alone, so it keeps no secret; remove it"
            )
        key = file.read(_BYTES + 1)
    if found.st_mode & _OTHERS:
        fault = f"could be read by others (mode {found.st_mode & 0o777:04o})"
    elif len(key) != _BYTES:
        fault = f"holds {len(key)} bytes, not {_BYTES}"
    else:
        return key
    say(f"{path} {fault}, so a new key replaces it; engines of the old one are built again")
    return None
