"""Patience with what is asked over a network: which faults may pass, and how long to wait."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

PASSING = {408, 429, 500, 502, 503, 504}  # answers that another try may not get
_NONE_LEFT = re.compile(r"\br\s*=\s*0\s*;\s*t\s*=\s*(\d{1,9})")  # of draft-ietf-httpapi-ratelimit
_UNREACHABLE = (socket.gaierror, ssl.SSLError, ConnectionRefusedError)


class PassingFault(Exception):
    """What may be gone at the next try.

    Attributes:
        wait: seconds that who was asked wants to be left alone; None if it does not say.
        advanced: whether this try has brought something nevertheless.
        unreachable: whether there was nobody to ask, which passes only if there was before.
    """

    def __init__(self, said: str, *, wait: float | None = None, unreachable: bool = False) -> None:
        super().__init__(said)
        self.wait, self.unreachable, self.advanced = wait, unreachable, False


@dataclass(frozen=True)
class Patience:
    """How long somebody who was asked is borne with.

    Attributes:
        tries: of one request that bring nothing; one that brings something begins a new count.
        first_wait: seconds before the second try; each later wait is twice the one before.
        longest_wait: seconds; who asks for more is left alone.
        timeout: seconds of silence; None takes the library's (`HF_HUB_DOWNLOAD_TIMEOUT`).
    """

    tries: int = 5
    first_wait: float = 0.5
    longest_wait: float = 60.0
    timeout: float | None = None

    def wait(self, fault: PassingFault, failed: int) -> float | None:
        """Return the seconds to wait after so many failed tries; None when it is at its end."""
        wait = fault.wait
        if wait is None:
            wait = min(self.first_wait * 2 ** (failed - 1), self.longest_wait)
        return wait if failed < self.tries and wait <= self.longest_wait else None


def passing_status(host: str, response: Any) -> PassingFault:
    """Return an answer of `PASSING` as a fault."""
    status = response.status_code
    why = "too many requests" if status == 429 else "it has a fault of its own"
    return PassingFault(f"{host} answers {status} ({why})", wait=asked_wait(response.headers))


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait, by a number, a date or its rate limit."""
    after = headers.get("Retry-After", "").strip()
    if after.isascii() and after.isdigit():
        return float(after)
    if left := _NONE_LEFT.search(headers.get("RateLimit", "")):
        return float(left[1])
    try:
        return max(0.0, parsedate_to_datetime(after).timestamp() - time.time())
    except (ValueError, OverflowError):  # no date either, or one of no calendar
        return None


def broken_way(host: str, error: BaseException) -> PassingFault:
    """Return what went wrong on the way to a host, as a fault."""
    unreachable = any(isinstance(cause, _UNREACHABLE) for cause in _causes(error))
    return PassingFault(_why(host, error), unreachable=unreachable)


def _why(host: str, error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return f"{host} cannot be found: there is no network, or its name or a proxy's is wrong"
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
