"""What a hub or the way to it can refuse, in words; and which of it may pass by itself."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from zscr.errors import ConfigError
from zscr.train.hub.name import ModelName

_NONE_LEFT = re.compile(r"\br\s*=\s*0\s*;\s*t\s*=\s*(\d{1,9})")  # of draft-ietf-httpapi-ratelimit
PASSING = {408, 429, 500, 502, 503, 504}  # answers that another try may not get
_TOKEN = "the token in HF_TOKEN may not be valid or not be allowed to read it"
_NO_TOKEN = "if it is private or gated, set HF_TOKEN to a token that may read it"
_UNREACHABLE = (socket.gaierror, ssl.SSLError, ConnectionRefusedError)


class PassingFault(Exception):
    """What may be gone at the next try.

    Attributes:
        wait: seconds that the hub asks for; None if it does not.
        advanced: whether this try has brought something nevertheless.
        unreachable: whether there was nobody to ask, which passes only if there was before.
    """

    def __init__(self, said: str, *, wait: float | None = None, unreachable: bool = False) -> None:
        super().__init__(said)
        self.wait, self.unreachable, self.advanced = wait, unreachable, False


def refusal(name: ModelName, host: str, response: Any, *, known: bool) -> ConfigError:
    """Return why a hub does not give what is asked for, from its answer.

    A hub hides private repositories: it answers as if there were none, with 401 to who is nobody.

    Args:
        name, host: what was asked for, and of whom.
        response: the answer.
        known: whether a token was sent.
    """
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    if code == "RevisionNotFound":
        return ConfigError(_no_revision(name, host))
    if code == "GatedRepo":
        done = "with the account of the token" if known else "and set HF_TOKEN to a token"
        said = f"{name.repository} is gated on {host}: its authors give it to whom they know; ask "
        return ConfigError(f"{said}for it on its page there {done}")
    if code == "EntryNotFound":
        return ConfigError(f"{host} lists a file of '{name}' that it has not; ask another hub")
    if code == "RepoNotFound" or status in (401, 403, 404):
        hint = _TOKEN if known else _NO_TOKEN
        said = f"{host} has no model '{name}' for you (it answers {status}); check the name; "
        return ConfigError(said + hint)
    return ConfigError(f"{host} answers {status} when asked for '{name}'; check the name")


def _no_revision(name: ModelName, host: str) -> str:
    if name.is_commit:
        said = f"{name.repository} has no commit {name.revision} on {host}; name another, or remove"
        return f"{said} {name.pins} if that is where it comes from"
    return (
        f"{name.repository} has no revision '{name.revision}' on {host}; leave it out for the "
        f"newest, or name a branch, a tag or a commit of it"
    )


def passing_status(host: str, response: Any) -> PassingFault:
    """Return an answer of `PASSING` as a fault."""
    status = response.status_code
    why = "too many requests" if status == 429 else "it has a fault of its own"
    return PassingFault(f"{host} answers {status} ({why})", wait=_asked_wait(response.headers))


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait, by a number, a date or its rate limit."""
    after = headers.get("Retry-After", "").strip()
    if after.isascii() and after.isdigit():
        return float(after)
    if left := _NONE_LEFT.search(headers.get("RateLimit", "")):
        return float(left[1])
    try:
        return max(0.0, parsedate_to_datetime(after).timestamp() - time.time())
    except ValueError:  # no date either
        return None


def broken_way(host: str, error: BaseException) -> PassingFault:
    """Return what went wrong on the way to a hub, as a fault."""
    unreachable = any(isinstance(cause, _UNREACHABLE) for cause in _causes(error))
    return PassingFault(_why(host, error), unreachable=unreachable)


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
