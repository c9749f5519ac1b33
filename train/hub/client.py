"""Asking a hub: one request after another, with patience for what passes by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from zscr.errors import ConfigError
from zscr.patience import PASSING, PassingFault, Patience, broken_way, passing_status
from zscr.progress import say
from zscr.train.hub.faults import refusal
from zscr.train.hub.library import asked_host, endpoint, faults, headers, session
from zscr.train.hub.name import ModelName

_Result = TypeVar("_Result")


class Client:
    """Sends requests about one model to the hub."""

    def __init__(self, library: Any, name: ModelName, patience: Patience) -> None:
        self.library, self.name, self.patience = library, name, patience
        self.endpoint, self._headers = endpoint(library), headers(library)
        self._answered = False  # whether the hub has ever
        self.host = urlsplit(self.endpoint).netloc.rpartition("@")[2]  # without a password

    @contextmanager
    def get(self, path: str, **more: str) -> Iterator[Any]:
        """Yield the answer to one GET, whose body is read in the block.

        Args:
            path: below the endpoint.
            more: headers. With a range, the answer may be 206 or 416, too.

        Raises:
            PassingFault: another try may do better.
            ConfigError: none will; says why.
        """
        sound = (200, 206, 416) if "range" in more else (200,)
        with self._send("GET", path, sound, headers=self._headers | more) as response:
            yield response

    def head(self, path: str) -> Mapping[str, str]:
        """Return the headers of what is at `path`, or of where that is said to lie; see `get`."""
        sound = (200, 301, 302, 303, 307, 308)
        with self._send("HEAD", path, sound, follow_redirects=False) as response:
            found: Mapping[str, str] = response.headers
            return found

    @contextmanager
    def _send(self, method: str, path: str, sound: Sequence[int], **more: Any) -> Iterator[Any]:
        url = f"{self.endpoint}/{path}"
        timeout = self.patience.timeout or self.library.constants.HF_HUB_DOWNLOAD_TIMEOUT
        usual = {"headers": self._headers, "timeout": timeout, "follow_redirects": True}
        try:
            with session(self.library).stream(method, url, **(usual | more)) as response:
                self._answered = True
                if response.status_code in PASSING:
                    raise passing_status(asked_host(response, self.host), response)
                if response.status_code not in sound:
                    known = "authorization" in self._headers
                    raise refusal(self.name, self.host, response, known=known)
                yield response
        except faults(self.library) as error:
            raise broken_way(asked_host(error, self.host), error) from error

    def patiently(self, attempt: Callable[[], _Result]) -> _Result:
        """Return what an attempt returns, once it does; say what is waited for.

        Raises:
            ConfigError: the patience is at its end.
        """
        failed = 0
        while True:
            try:
                return attempt()
            except PassingFault as fault:
                failed = 1 if fault.advanced else failed + 1
                wait = self.patience.wait(fault, failed)
                hopeless = fault.unreachable and not self._answered
                if wait is None or hopeless:
                    raise self._given_up(fault, failed) from fault
                say(f"{fault}; trying again in {wait:g} s ({failed} of {self.patience.tries})")
                time.sleep(wait)

    def _given_up(self, fault: PassingFault, failed: int) -> ConfigError:
        asked = f" and asks to wait {fault.wait:g} s" if fault.wait else ""
        times = f", {failed} times" if failed > 1 else ""
        return ConfigError(
            f"'{self.name}' cannot be had now: {fault}{asked}{times}; run the same command again "
            f"later, which goes on where this ends"
        )
