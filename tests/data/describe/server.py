"""A chat completions endpoint of real sockets on this machine, which misbehaves on demand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from threading import Event, Thread
from typing import Any

Fault = Callable[["Answer"], None]


@dataclass
class Model:
    """What is answered, what goes wrong, and what was asked.

    Attributes:
        says: the answer to every question.
        faults: what is done instead, once each, in order.
        asked: each request's body; heads: and its headers; paths: and its path.
        answered: the questions that got a whole answer.
        most: answers after which it is silent; `silent` is set once that has begun.
        done: set when the server ends, so that nobody sleeps.
    """

    says: str = "It has a broad body on short legs."
    faults: list[Fault] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    most: int = 1000
    silent: Event = field(default_factory=Event)
    done: Event = field(default_factory=Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def questions(self) -> list[str]:
        return [body["messages"][-1]["content"] for body in self.asked]


class Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement
    model: Model

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.model.asked.append(body)
        self.model.paths.append(self.path)
        self.model.heads.append({name.lower(): value for name, value in self.headers.items()})
        if self.model.faults:
            self.model.faults.pop(0)(self)
        elif len(self.model.answered) >= self.model.most:
            self.model.silent.set()
            silence(self)
        else:
            self.model.answered.append(body["messages"][-1]["content"])
            self.send(completion(self.model.says))

    def send(self, body: bytes, status: int = 200, length: int = 0, **headers: str) -> None:
        self.send_response(status)
        headers |= {"Content-Length": str(length or len(body))}
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def completion(text: str | None, reason: str = "stop") -> bytes:
    """Return a body as the API has it."""
    choice = {"index": 0, "finish_reason": reason}
    choice |= {"message": {"role": "assistant", "content": text}}
    return json.dumps({"id": "1", "object": "chat.completion", "choices": [choice]}).encode()


def saying(text: str | None, reason: str = "stop") -> Fault:
    """Answer something else."""
    return lambda answer: answer.send(completion(text, reason))


def status(number: int, said: str = "", **headers: str) -> Fault:
    """Refuse."""
    body = json.dumps({"error": {"message": said}}).encode()
    return lambda answer: answer.send(body, number, **headers)


def body(sent: object, number: int = 200, **headers: str) -> Fault:
    """Answer some bytes, or anything else as JSON."""
    raw = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return lambda answer: answer.send(raw, number, **headers)


def message(**fields: object) -> Fault:
    """Answer a completion whose message has such fields."""
    return body({"choices": [{"index": 0, "finish_reason": "stop", "message": fields}]})


def echo(before: str = "", after: str = "") -> Fault:
    """Answer what was asked."""
    return lambda answer: answer.send(completion(before + answer.model.questions[-1] + after))


def reset(answer: Answer) -> None:
    """Break the connection in the middle of the body."""
    answer.send(b'{"choices"', length=500)
    answer.wfile.flush()
    answer.connection.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
    answer.connection.close()
    answer.close_connection = True


def truncated(answer: Answer) -> None:
    """Send half of the JSON as if it were the whole."""
    answer.send(completion("It is long.")[:60])


def hung_up(answer: Answer) -> None:
    """Promise more than is sent, and hang up."""
    answer.send(b'{"choices"', length=500)
    answer.close_connection = True


def endless(answer: Answer) -> None:
    """Send spaces for as long as somebody takes them, and no answer."""
    answer.close_connection = True
    answer.send(b"", length=1 << 40)
    with suppress(OSError):
        while not answer.model.done.is_set():
            answer.wfile.write(b" " * 65536)


def silence(answer: Answer) -> None:
    """Never answer."""
    answer.model.done.wait(300)
    answer.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that are gone."""


@contextmanager
def serving(model: Model) -> Iterator[Model]:
    """Serve a model."""
    handler = type("OwnAnswer", (Answer,), {"model": model})
    server = _Server(("127.0.0.1", model.port), handler)
    model.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield model
    finally:
        model.done.set()
        server.shutdown()
        server.server_close()
