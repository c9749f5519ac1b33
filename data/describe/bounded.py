"""An HTTP client for openai's that reads no more of an answer than one can have.

Only a chat imports this, as openai comes with an extra. What it is built on is `httpx` in some of
its versions and `httpx2` in others, so neither is named.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import openai

from zscr.data.describe.checks import Unusable
from zscr.errors import InputError

_LARGEST = 1 << 20  # bytes of an answer; 60 words have 400
_AS_GET = {301, 302, 303}  # redirections that a client follows without the question


def bounded_client() -> Any:
    """Return a client whose requests end at what is no answer.

    They end with one of these, or with an error of openai whose cause it is:
    Unusable: the answer is too large, or packed, so that its size cannot be known.
    InputError: it is elsewhere, where the question would not be sent along.

    Cookies are not kept: what one answer says is no part of the next question.
    """
    return openai.DefaultAsyncHttpxClient(
        headers={"Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        event_hooks={"response": [_bound]},
    )


async def _bound(response: Any) -> None:
    place = response.headers.get("Location", "")
    if response.status_code in _AS_GET and place:
        raise InputError(
            f"the endpoint answers {response.status_code} and is elsewhere, at {place!a:.200}; "
            f"name that as the base URL, without /chat/completions"
        )
    if response.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
        raise Unusable("the answer is packed, which was not asked for", damaged=True)
    response.stream = _bounded(response.stream)


def _bounded(stream: Any) -> Any:
    """Return a stream of the same class that ends with an error once it is too long."""

    async def parts(_: Any) -> AsyncIterator[bytes]:
        size = 0
        async for part in stream:
            size += len(part)
            if size > _LARGEST:
                raise Unusable(f"the answer is over {_LARGEST} bytes", damaged=True)
            yield part

    async def close(_: Any) -> None:
        await stream.aclose()

    methods = {"__init__": lambda _: None, "__aiter__": parts, "aclose": close}
    return type("Bounded", (type(stream),), methods)()
