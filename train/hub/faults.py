"""What a hub or the way to it can refuse, in words; and which of it may pass by itself."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Any

from zscr.errors import ConfigError
from zscr.train.hub.name import ModelName

PASSING = {408, 429, 500, 502, 503, 504}  # answers that another try may not get


class PassingFault(Exception):
    """What may be gone at the next try.

    Attributes:
        wait: seconds that the hub asks for; None if it does not.
        advanced: whether this try has brought something nevertheless.
    """

    def __init__(self, said: str, *, wait: float | None = None, advanced: bool = False) -> None:
        super().__init__(said)
        self.wait, self.advanced = wait, advanced


def refusal(name: ModelName, host: str, response: Any) -> ConfigError:
    """Return why a hub does not give what is asked for, from its answer of 4xx.

    A hub hides private repositories: it answers as if there were none, with 401 to who is nobody.
    """
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    known = "authorization" in response.request.headers
    if code == "RevisionNotFound":
        return ConfigError(
            f"{name.repository} has no revision '{name.revision}' on {host}; leave it out for the "
            f"newest, or name a branch, a tag or a commit of it"
        )
    if code == "GatedRepo":
        done = "with the account of the token" if known else "and set HF_TOKEN to a token"
        return ConfigError(
            f"{name.repository} is gated on {host}: its authors give it to whom they know; ask for "
            f"it on its page there {done}"
        )
    if code == "RepoNotFound" or status in (401, 403, 404):
        hint = (
            "the token in HF_TOKEN may not be valid or not be allowed to read it"
            if known
            else "if it is private or gated, set HF_TOKEN to a token that may read it"
        )
        return ConfigError(
            f"{host} has no model '{name}' for you (it answers {status}); check the name; {hint}"
        )
    return ConfigError(f"{host} answers {status} when asked for '{name}'; check the name")


def passing_status(host: str, response: Any) -> PassingFault:
    """Return an answer of `PASSING` as a fault, with the wait of its `Retry-After` in seconds."""
    status, after = response.status_code, response.headers.get("Retry-After", "").strip()
    why = "too many requests" if status == 429 else "it has a fault of its own"
    wait = float(after) if after.isascii() and after.isdigit() else None
    return PassingFault(f"{host} answers {status} ({why})", wait=wait)


def broken_way(host: str, error: BaseException, *, advanced: bool = False) -> PassingFault:
    """Return what went wrong on the way to a hub, as a fault."""
    return PassingFault(_why(host, error), advanced=advanced)


def _why(host: str, error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return f"{host} cannot be found: there is no network here, or its name is wrong"
        if isinstance(cause, ssl.SSLError):
            return (
                f"{host} cannot be trusted ({cause.reason or 'TLS'}); behind a proxy that opens "
                f"TLS, let SSL_CERT_FILE name its certificates"
            )
        if isinstance(cause, ConnectionRefusedError):
            return f"nobody answers at {host}"
        if isinstance(cause, TimeoutError) or type(cause).__name__.endswith("Timeout"):
            return f"{host} is silent for too long"
    return f"the connection to {host} broke ({type(error).__name__})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
