"""A chat with the model of an endpoint: one question, and one answer or a known fault."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zscr.data.describe.checks import Unusable
from zscr.data.describe.endpoint import Endpoint
from zscr.data.describe.refusal import status_fault
from zscr.data.describe.reply import text_of
from zscr.errors import ConfigError, InputError
from zscr.extras import require_extras
from zscr.patience import PassingFault, Patience, broken_way


class Chat:
    """Asks the model of an endpoint; to be closed at the end."""

    def __init__(self, endpoint: Endpoint, patience: Patience) -> None:
        """Set the connection up.

        Raises:
            MissingExtraError: the extra `describe` is not installed.
            ConfigError: what the environment says of proxies or certificates cannot be used.
        """
        require_extras("asking a language model", "describe")
        import openai

        self._library: Any = openai
        self.endpoint, self.timeout = endpoint, patience.timeout
        self.answered = False  # whether the server ever has
        self._client = self._connected()

    async def answer(self, instruction: str, question: str, again: int = 0) -> str:
        """Return the answer to one question.

        Args:
            instruction: of the system; question: of the user.
            again: number of earlier answers to it; each has a seed of its own.

        Raises:
            PassingFault: the server did not answer, and may at another time.
            Unusable: what it answered is no description: `text_of` says why, or it is the key.
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
        said = text_of(response.content, self.endpoint, response.headers)
        if self.endpoint.gives_away(said):  # a proxy that writes out what it got
            raise Unusable("the answer repeats the key")
        return said

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    def _connected(self) -> Any:
        from zscr.data.describe.bounded import bounded_client

        try:
            return self._library.AsyncOpenAI(
                base_url=self.endpoint.asked,
                default_query=self.endpoint.query,
                api_key=self.endpoint.key or "none",  # the client insists on one
                max_retries=0,
                timeout=self.timeout,
                http_client=bounded_client(),
            )
        except Exception as error:  # of ssl, and of what it is built on: they share no other kind
            why, _, _ = str(error).partition(". ")
            raise ConfigError(
                f"no connection can be set up ({why}); correct HTTP_PROXY, HTTPS_PROXY, ALL_PROXY "
                f"or SSL_CERT_FILE, or unset it"
            ) from error

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
            raise status_fault(self.endpoint, error) from None
        except UnicodeError:
            raise InputError(
                "a header of the request is not in ASCII; correct OPENAI_ORG_ID, "
                "OPENAI_PROJECT_ID or OPENAI_CUSTOM_HEADERS"
            ) from None
        except (TimeoutError, self._library.APITimeoutError):  # no silence: it may have begun
            late = f"{address} gave no whole answer in {self.timeout:g} s (--timeout)"
            raise PassingFault(late) from None
        except (InputError, self._library.APIConnectionError) as error:
            fault = error.__cause__ or error  # some versions of openai wrap what `bounded` raises
            if isinstance(fault, Unusable):
                raise fault from None
            if isinstance(fault, InputError):
                raise InputError(self.endpoint.without_secrets(str(fault))) from None
            raise broken_way(address, error) from None
