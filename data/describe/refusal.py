"""What a server says is wrong: whether another try may pass, and what to do where none does."""

from __future__ import annotations

import re
from typing import Any

from zscr.data.describe.checks import Unusable
from zscr.data.describe.endpoint import Endpoint
from zscr.errors import InputError
from zscr.patience import PASSING, PassingFault, asked_wait, passing_status

_TOLD = 200  # letters of what a server says
_SAYING = ("message", "detail", "msg", "error")  # where servers put their words
_FILTERED = "content_filter"  # of Azure, under status 400: of one question, not of all
_UNPAID = re.compile("quota|billing|credit")  # of OpenAI, under status 429
_FOR_EVER = re.compile("auth|api_key|permission|forbidden|not_found|invalid|unsupported")
_CREDIT = "look at the plan and the credit of its account"
_HINTS = {
    401: "check the key in OPENAI_API_KEY",
    402: _CREDIT,
    403: "check the key in OPENAI_API_KEY",
    404: "check the base URL and the name of the model",
    413: "the question is too long for it: give --prompts with shorter ones",
}

Fault = PassingFault | Unusable | InputError


def status_fault(endpoint: Endpoint, error: Any) -> Fault:
    """Return an error of openai's that has an HTTP status as what it means for a question."""
    status, kind = error.status_code, _kind(error.body)
    if passes(status) and not _UNPAID.search(kind):
        return passing_status(endpoint.address, error.response)
    return _final(endpoint, status, kind, error.body)


def embedded_fault(endpoint: Endpoint, error: Any, headers: Any) -> Fault:
    """Return an `error` that a gateway has sent under status 200, likewise.

    Its kind is its code, a status or a word; one that nothing is known of may pass.
    """
    status, kind = _status(error), _kind(error)
    passing = passes(status) if status else not (_FOR_EVER.search(kind) or _FILTERED in kind)
    if passing and not _UNPAID.search(kind):
        told = _in_brackets(said_of(endpoint, error))
        return PassingFault(f"{endpoint.address} answers an error{told}", wait=asked_wait(headers))
    return _final(endpoint, status, kind, error)


def passes(status: int) -> bool:
    """Say whether another try may not get a status; those from 520 are proxies' own.

    409, 423 and 425 (a conflict, a lock, too early) are of the moment, too.
    """
    return status in PASSING or status in (409, 423, 425) or status >= 520


def said_of(endpoint: Endpoint, error: Any) -> str:
    """Return a part of a server's own words, in one line, without secrets that it repeats."""
    while isinstance(error, dict | list):  # Google's and FastAPI's are lists
        parts = error if isinstance(error, list) else [error.get(name) for name in _SAYING]
        error = next(filter(None, parts), None)
    line = " ".join(str(error or "").split())
    return "a web page" if line.startswith("<") else endpoint.without_secrets(line)[:_TOLD]


def _final(endpoint: Endpoint, status: int, kind: str, error: Any) -> Unusable | InputError:
    told = _in_brackets(said_of(endpoint, error))
    if _FILTERED in kind:
        return Unusable(f"the server's filter refuses the question{told}")
    hint = _CREDIT if _UNPAID.search(kind) else _HINTS.get(status)
    return InputError(
        f"{endpoint.address} refuses model '{endpoint.model}' with {status or 'an error'}{told}; "
        f"{hint or 'change the options that it names'}"
    )


def _in_brackets(said: str) -> str:
    return f" ({said})" if said else ""


def _kind(error: Any) -> str:
    """Return the words by which a server sorts an error."""
    known = error if isinstance(error, dict) else {}
    return " ".join(str(known.get(name, "")).lower() for name in ("code", "type", "status"))


def _status(error: Any) -> int:
    """Return the HTTP status that an error has as its code, or 0."""
    codes = [error.get("code"), error.get("status")] if isinstance(error, dict) else []
    known = (int(str(code)) for code in codes if re.fullmatch("[45][0-9][0-9]", str(code)))
    return next(known, 0)
