"""What a hub says of a model: the commit, the licence, and each file's size and hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from zscr.errors import ArtefactError
from zscr.names import name_fault
from zscr.schema import SHA256, Check, anything, integer, listing, maybe, record, text, words
from zscr.strict_json import parse_json
from zscr.train.hub.client import Client

_LARGEST = 64 << 20  # bytes of an answer; 100,000 files take 20 MB
_SIZE = integer(0, 1 << 50)
_OBJECT = text(40, "[0-9a-f]{40}", least=40)
_FILE = record(
    {"rfilename": words},
    {
        "size": maybe(_SIZE),
        "blobId": maybe(_OBJECT),
        "lfs": maybe(record({"sha256": SHA256, "size": _SIZE})),
    },
)
_COMMIT = record({"sha": _OBJECT})
_ANSWER = record({"sha": _OBJECT, "siblings": listing(_FILE)}, {"cardData": anything})


@dataclass(frozen=True)
class HubFile:
    """A file as the hub describes it.

    Attributes:
        name: in the repository, with `/`.
        size: bytes.
        sha256: of the file, if it is one of the large ones; else None.
        blob: git's id of the file, if it is one of the small ones: the sha1 of `blob`, a space,
            its size in digits, a zero byte and its bytes; else None.
    """

    name: str
    size: int
    sha256: str | None
    blob: str | None

    @property
    def digest(self) -> str:
        """The hash by which it is checked, which also names it while it is fetched."""
        return self.sha256 or self.blob or ""


@dataclass(frozen=True)
class Listing:
    """A commit of a repository.

    Attributes:
        name: of the repository.
        revision: the commit.
        licence: as its authors state it; None if they do not.
        files: by name.
    """

    name: str
    revision: str
    licence: str | None
    files: Mapping[str, HubFile]


def ask_listing(client: Client) -> Listing:
    """Ask what is in the revision that the client is for.

    Raises:
        ConfigError: there is none, or it cannot be had.
        ArtefactError: the answer makes no sense, or names files outside of the repository.
    """
    answer = client.patiently(lambda: _ask(client, "?blobs=true", _ANSWER))
    files = {entry["rfilename"]: _file(client, entry) for entry in answer["siblings"]}
    if client.name.is_commit and answer["sha"] != client.name.revision:
        raise ArtefactError(f"{client.host} lists {answer['sha']} when asked for '{client.name}'")
    for name in files:
        if both := files.keys() & {str(folder) for folder in PurePosixPath(name).parents}:
            raise ArtefactError(f"{client.host} lists {both.pop()!a:.80} as a file and a folder")
    return Listing(client.name.repository, answer["sha"], _licence(answer), files)


def ask_commit(client: Client) -> str:
    """Ask once which commit the revision is now; raises as `ask_listing`, or a PassingFault."""
    return str(_ask(client, "", _COMMIT)["sha"])


def _ask(client: Client, query: str, check: Check) -> dict[str, Any]:
    name = client.name
    path = f"api/models/{name.repository}/revision/{quote(name.revision, safe='')}{query}"
    raw = _body(client, path)
    try:
        answer: dict[str, Any] = parse_json(raw)
        check(answer, "")
    except ValueError as error:
        raise ArtefactError(
            f"{client.host} describes '{client.name}' in a way that zscr does not know ({error}); "
            f"is HF_ENDPOINT the address of a model hub?"
        ) from error
    return answer


def _body(client: Client, path: str) -> bytes:
    with client.get(path) as response:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > _LARGEST:
                raise ArtefactError(
                    f"{client.host} answers with over {_LARGEST} bytes; no hub does"
                )
    return bytes(body)


def _file(client: Client, entry: Mapping[str, Any]) -> HubFile:
    """Read a file's entry; one outside of the repository says that the hub means harm."""
    name, large = entry["rfilename"], entry.get("lfs")
    if fault := name_fault(name):
        raise ArtefactError(
            f"{client.host} lists a file {name!a:.80} of '{client.name}', which {fault}; nothing "
            f"of it was fetched: do not trust that hub"
        )
    size = large["size"] if large else entry.get("size")
    return HubFile(
        name,
        -1 if size is None else size,
        large["sha256"] if large else None,
        None if large else entry.get("blobId"),
    )


def _licence(answer: Mapping[str, Any]) -> str | None:
    card = answer.get("cardData")
    card = card if isinstance(card, dict) else {}
    own = card.get("license_name") if card.get("license") == "other" else None
    for said in (own, card.get("license")):
        if isinstance(said, str) and 0 < len(said) <= 200 and said.isprintable():
            return said
    return None
