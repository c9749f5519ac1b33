"""A chat with the model of an endpoint: one question, and one answer or a known fault."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zscr.data.describe.checks import Unusable
from zscr.data.describe.endpoint import Endpoint
from zscr.errors import InputError
from zscr.extras import require_extras
from zscr.patience import PASSING, Patience, broken_way, passing_status
from zscr.schema import listing, maybe, record, words
from zscr.strict_json import parse_json

_ANSWER = record(
    {"choices": listing(record({"message": record({"content": maybe(words)})}), least=1)}
)
_BROKEN_OFF = {"length": "the server's limit of tokens", "content_filter": "the server's filter"}
_TOLD = 200  # letters of what a server says of a refusal


class Chat:
    """Asks the model of an endpoint; to be closed at the end."""

    def __init__(self, endpoint: Endpoint, patience: Patience) -> None:
        """Raise MissingExtraError without the extra `describe`."""
        require_extras("asking a language model", "describe")
        import openai

        from zscr.data.describe.bounded import bounded_client

        self._library: Any = openai
        self.endpoint, self.timeout = endpoint, patience.timeout
        self.answered = False  # whether the server ever has
        self._client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.key or "none",  # the client insists on one
            max_retries=0,
            timeout=patience.timeout,
            http_client=bounded_client(),
        )

    async def answer(self, instruction: str, question: str, again: int = 0) -> str:
        """Return the answer to one question.

        Args:
            instruction: of the system; question: of the user.
            again: number of earlier answers to it; each has a seed of its own.

        Raises:
            PassingFault: the server did not answer, and may at another time.
            Unusable: what it answered is no chat completion, breaks off, or repeats the key.
            InputError: it refuses, now and for ever.
        """
        messages: list[Any] = [
            {"role": "system", "content": instruction},
            {"role": "user", "content": question},
        ]
        with self._faults():
            async with asyncio.timeout(self.timeout):
                response = await self._client.chat.completions.with_raw_response.create(
                    model=self.endpoint.model, messages=messages, **self._sampling(again)
                )
        self.answered = True
        said = _content(response.content)
        if self.endpoint.gives_away(said):  # a proxy that writes out what it got
            raise Unusable("the answer repeats the key")
        return said

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    def _sampling(self, again: int) -> dict[str, Any]:
        seed = self.endpoint.seed
        chosen = {
            "temperature": self.endpoint.temperature,
            "seed": None if seed is None else seed + again,
        }
        return {name: value for name, value in chosen.items() if value is not None}

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turn what the client raises into faults that may pass, and refusals that do not."""
        address = self.endpoint.address
        try:
            yield
        except self._library.APIStatusError as error:
            self.answered = True
            if error.status_code in PASSING or error.status_code >= 520:  # of proxies: overloaded
                raise passing_status(address, error.response) from None
            raise self._refusal(error) from None
        except (TimeoutError, InputError, self._library.APIConnectionError) as error:
            fault = error.__cause__ or error  # some versions of openai wrap what `bounded` raises
            if isinstance(fault, Unusable):
                raise fault from None
            if isinstance(fault, InputError):
                raise InputError(self.endpoint.without_secrets(str(fault))) from None
            raise broken_way(address, error) from None

    def _refusal(self, error: Any) -> InputError:
        """Say why the server refuses, by a part of its own words; they may repeat the key."""
        said = self.endpoint.without_secrets(str(error.message))[:_TOLD]
        hint = {
            401: "check the key in OPENAI_API_KEY",
            403: "check the key in OPENAI_API_KEY",
            404: "check the base URL and the name of the model",
        }.get(error.status_code, "change the options that it names")
        return InputError(
            f"{self.endpoint.address} refuses model '{self.endpoint.model}' with "
            f"{error.status_code} ({said}); {hint}"
        )


def _content(raw: bytes) -> str:
    """Return the text of a chat completion."""
    try:
        answer = parse_json(raw)
        _ANSWER(answer, "")
    except ValueError as error:
        raise Unusable(f"the answer is damaged ({error})", damaged=True) from None
    choice = answer["choices"][0]
    ended = choice.get("finish_reason")
    if isinstance(ended, str) and ended in _BROKEN_OFF:
        raise Unusable(f"the answer breaks off, at {_BROKEN_OFF[ended]}")
    return _without_thoughts(choice["message"]["content"] or "")


def _without_thoughts(text: str) -> str:
    """Return an answer without what some models think aloud before it."""
    opened, _, rest = text.partition("</think>")
    if rest:
        return rest
    return "" if opened.lstrip().startswith("<think>") else text
