"""Size and hash of a file that a hub's listing leaves out, as some mirrors do."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote

from zscr.errors import ArtefactError
from zscr.train.hub.client import Client
from zscr.train.hub.listing import HubFile

_SHA256, _BLOB = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{40}")


def file_path(client: Client, revision: str, name: str) -> str:
    """Return where a file of a commit is, below the endpoint."""
    return f"{client.name.repository}/resolve/{revision}/{quote(name)}"


def completed(client: Client, revision: str, file: HubFile) -> HubFile:
    """Return a file with size and hash, asked for where the listing does not tell them.

    A hub's tag of a file is its hash: the sha256 of a large one, which is told in the answer that
    says where else it lies, or git's id.

    Raises:
        ConfigError: it cannot be had.
        ArtefactError: the hub tells no hash of it, so that nobody could check it.
    """
    if file.digest and file.size >= 0:
        return file
    path = file_path(client, revision, file.name)
    told = client.patiently(lambda: client.head(path))
    tag = told.get("X-Linked-Etag") or told.get("ETag", "")
    digest = tag.removeprefix("W/").strip('"')
    size = told.get("X-Linked-Size") or told.get("Content-Length", "")
    large, small = _SHA256.fullmatch(digest), _BLOB.fullmatch(digest)
    if not (large or small) or not re.fullmatch(r"\d{1,15}", size, re.ASCII):
        raise ArtefactError(
            f"{client.host} tells no hash and size of {file.name}, so it cannot be checked; ask a "
            f"hub that does (HF_ENDPOINT)"
        )
    return replace(
        file, size=int(size), sha256=digest if large else None, blob=digest if small else None
    )
