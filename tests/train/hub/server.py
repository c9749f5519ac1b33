"""A model hub of real sockets on this machine, which misbehaves on demand.

It speaks what huggingface_hub and zscr ask for: a model's description with or without its files'
hashes, its tree, and its files with HEAD, GET, ranges, ETags and the redirect of large ones to
another host. Run as a script it serves a folder: `server.py FOLDER NAME` prints its address.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".bin", ".onnx")  # kept by sha256, as by git-lfs
Fault = Callable[["Answer", bytes], None]


@dataclass
class Hub:
    """What is served, what goes wrong, and what was asked for.

    Attributes:
        commits: name -> commit -> file -> bytes.
        branches: name -> branch -> commit.
        card: of every model.
        faults: part of method and path -> what is done instead, once each, in order.
        lies: changes to the description of a commit before it is sent.
        seen: (method, path, headers) of each request.
        done: set when the server ends, so that nobody sleeps.
    """

    commits: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    branches: dict[str, dict[str, str]] = field(default_factory=dict)
    card: dict[str, object] = field(default_factory=lambda: {"license": "mit"})
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    lies: Callable[[dict[str, object]], object] = lambda described: None
    seen: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    done: Event = field(default_factory=Event)
    port = cdn = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def commit(self, name: str, files: Mapping[str, bytes], branch: str = "main") -> str:
        """Add a commit to a branch, made if it is absent; return it."""
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits.setdefault(name, {})[commit] = dict(files)
        self.branches.setdefault(name, {})[branch] = commit
        return commit

    def asked(self, part: str) -> list[Mapping[str, str]]:
        """Return the headers of each request whose path has a part."""
        return [headers for _, path, headers in self.seen if part in path]


class Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.seen.append((self.command, self.path, dict(self.headers.items())))
        if path.startswith("/api/models/"):
            self.describe(path.removeprefix("/api/models/"))
        elif path.startswith("/cdn/"):
            self.send(self.content(path.removeprefix("/cdn/")))
        elif "/resolve/" in path:
            name, _, rest = path[1:].partition("/resolve/")
            self.resolve(name, *rest.split("/", 1))
        else:
            self.refuse(404)

    def describe(self, path: str) -> None:
        part = next((p for p in ("/revision/", "/tree/") if p in path), "/")
        name, _, revision = path.partition(part) if part != "/" else (path, "", "main")
        if (found := self.find(name, revision)) is None:
            return
        commit, files = found
        entries = [entry(file, content) for file, content in files.items()]
        tree = [{"type": "file", "path": e["rfilename"], "oid": e["blobId"]} | e for e in entries]
        described = {"id": name, "sha": commit, "siblings": entries, "cardData": self.hub.card}
        self.hub.lies(described)
        self.send(json.dumps(tree if part == "/tree/" else described).encode())

    def find(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        commits = self.hub.commits.get(name)
        if commits is None:
            self.refuse(404 if "Authorization" in self.headers else 401, "RepoNotFound")
            return None
        commit = self.hub.branches[name].get(revision, revision)
        if commit not in commits:
            self.refuse(404, "RevisionNotFound")
            return None
        return commit, commits[commit]

    def resolve(self, name: str, revision: str, file: str) -> None:
        if (found := self.find(name, revision)) is None:
            return
        commit, files = found
        if file not in files:
            self.refuse(404, "EntryNotFound")
            return
        about, tag = {"X-Repo-Commit": commit}, entry(file, files[file])
        if "lfs" in tag:
            sha256 = hashlib.sha256(files[file]).hexdigest()
            about |= {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(files[file]))}
            about |= {"Location": f"http://localhost:{self.hub.cdn}/cdn/{sha256}"}
            self.send(b"", 302, **about)
        else:
            self.send(files[file], **about, ETag=f'"{tag["blobId"]}"')

    def content(self, sha256: str) -> bytes:
        every = (files for commits in self.hub.commits.values() for files in commits.values())
        return next(c for files in every for c in files.values() if sha256 == hashed(c))

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Send a body, the part of it that a range asks for, or what goes wrong instead."""
        for part, faults in self.hub.faults.items():
            if part in f"{self.command} {self.path}" and faults:
                faults.pop(0)(self, body)
                return
        wanted = self.headers.get("Range")
        if wanted and status == 200:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body, status = body[start:], 206
        self.head(status, len(body), **headers)
        if self.command == "GET":
            self.wfile.write(body)

    def head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def refuse(self, status: int, code: str = "") -> None:
        self.head(status, 0, **({"X-Error-Code": code} if code else {}))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def entry(file: str, content: bytes) -> dict[str, object]:
    """Describe a file as a hub does."""
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    about: dict[str, object] = {"rfilename": file, "size": len(content), "blobId": blob}
    large = {"sha256": hashed(content), "size": len(content), "pointerSize": 134}
    return about | ({"lfs": large} if file.endswith(LARGE) else {})


def hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def status(number: int, code: str = "", **headers: str) -> Fault:
    """Answer with a status; `Retry_After` stands for `Retry-After`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named |= {"X-Error-Code": code} if code else {}
    return lambda answer, _: answer.head(number, 0, **named)


def cut(sent: int) -> Fault:
    """Promise the whole body, send so many bytes and hang up."""

    def fault(answer: Answer, body: bytes) -> None:
        answer.head(200, len(body))
        answer.wfile.write(body[:sent])
        answer.close_connection = True

    return fault


def instead(body: bytes, number: int = 200, **headers: str) -> Fault:
    """Send another body."""

    def fault(answer: Answer, _: bytes) -> None:
        answer.head(number, len(body), **{n.replace("_", "-"): v for n, v in headers.items()})
        answer.wfile.write(body)

    return fault


def stalled(sent: int) -> Fault:
    """Send so many bytes, then nothing until the server ends."""

    def fault(answer: Answer, body: bytes) -> None:
        answer.head(200, len(body))
        answer.wfile.write(body[:sent])
        answer.wfile.flush()
        answer.hub.done.wait()
        answer.close_connection = True

    return fault


def hang_up(answer: Answer, _: bytes) -> None:
    """Send nothing at all."""
    answer.close_connection = True


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that hangs up is what some tests are about."""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve a hub by two servers, since files come from another host than descriptions."""
    handler = type("OwnAnswer", (Answer,), {"hub": hub})
    servers = [_Server(("127.0.0.1", 0), handler) for _ in range(2)]
    hub.port, hub.cdn = (server.server_address[1] for server in servers)
    threads = [Thread(target=server.serve_forever, args=(0.01,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        hub.done.set()
        for server in servers:
            server.shutdown()
            server.server_close()


def main(folder: Path, name: str) -> None:
    """Serve a folder until stdin is closed."""
    hub = Hub()
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    hub.commit(name, {file: path.read_bytes() for file, path in files.items()})
    with serving(hub):
        print(hub.address, flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
