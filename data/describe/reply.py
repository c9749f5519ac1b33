"""The body of a chat completion: the text that it holds, or why it holds none."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from typing import Any

from zscr.data.describe.checks import Unusable
from zscr.data.describe.endpoint import Endpoint
from zscr.data.describe.refusal import embedded_fault, said_of
from zscr.schema import listing, record, words
from zscr.strict_json import parse_json

_ANSWER = record({"choices": listing(record({}), least=1)})
_BROKEN_OFF = {
    **dict.fromkeys(("length", "max_tokens", "model_length"), "the server's limit of tokens"),
    "content_filter": "the server's filter",
    **dict.fromkeys(("abort", "error"), "a fault of the server"),
}
_PARTS = listing(record({}))
_THOUGHTS = ("reasoning_content", "reasoning")  # where servers put what a model thinks aloud
# and where models put it themselves, gpt-oss with the marks of its chat's template
_NAMES = "think|thinking|thought|reasoning"
_BEGUN = re.compile(rf"\s*(<({_NAMES})>|<\|channel\|>analysis)", re.IGNORECASE)
_ENDED = re.compile(rf".*(</({_NAMES})>|<\|channel\|>final<\|message\|>)", re.I | re.DOTALL)
_MARK = re.compile(r"<\|\w{1,40}\|>")  # of a template: a server should have taken them away


def _content(value: Any, where: str) -> None:
    """Take a text, its parts, or null."""
    if value is not None:
        (_PARTS if isinstance(value, list) else words)(value, where)


_CHOICE = record({"message": record({}, {"content": _content})})


def text_of(raw: bytes, endpoint: Endpoint, headers: Any) -> str:
    """Return the text of a chat completion, without what a model thinks aloud before it.

    Args:
        raw: the body; headers: those of the same response.
        endpoint: that sent it.

    Raises:
        Unusable: it is none, breaks off, refuses or says nothing.
        PassingFault, InputError: it is an error, though its status is 200.
    """
    choice = _choice(raw, endpoint, headers)
    ended = choice.get("finish_reason")
    if isinstance(ended, str) and (at := _BROKEN_OFF.get(ended.lower())):
        raise Unusable(f"the answer breaks off, at {at}")
    message = choice["message"]
    said = _without_thoughts(_joined(message.get("content"), "text"))
    if not said.strip():
        raise Unusable(_unsaid(message, endpoint))
    return said


def _choice(raw: bytes, endpoint: Endpoint, headers: Any) -> dict[str, Any]:
    """Return the first choice of a chat completion."""
    answer = _parsed(raw, endpoint)
    _require_no_error(answer, endpoint, headers)
    if isinstance(answer, dict) and "choices" in answer and not answer["choices"]:
        raise Unusable("the answer has no choices", damaged=True)
    try:
        _ANSWER(answer, "")
        choice: dict[str, Any] = answer["choices"][0]
        _require_no_error(choice, endpoint, headers)
        _CHOICE(choice, "choices[0]")
    except ValueError as error:
        raise _damaged(error, endpoint) from None
    return choice


def _damaged(error: ValueError, endpoint: Endpoint) -> Unusable:
    """Say what is wrong with an answer by a part of it, which may repeat the key."""
    return Unusable(f"the answer is damaged ({endpoint.without_secrets(str(error))})", damaged=True)


def _parsed(raw: bytes, endpoint: Endpoint) -> Any:
    if not (body := raw.removeprefix(BOM_UTF8).strip()):
        raise Unusable("the answer has no body", damaged=True)
    if body.startswith(b"<"):
        raise Unusable("the answer is a web page", damaged=True)
    try:
        return parse_json(body)
    except ValueError as error:
        raise _damaged(error, endpoint) from None


def _require_no_error(part: Any, endpoint: Endpoint, headers: Any) -> None:
    if not isinstance(part, dict):
        return
    if error := part.get("error") or (part.get("object") == "error" and part):
        raise embedded_fault(endpoint, error, headers)


def _joined(content: Any, kind: str) -> str:
    """Return a content's text: one string, or the parts of one kind in a list of parts."""
    if not isinstance(content, list):
        return (content or "") if kind == "text" else ""
    parts = [one.get(kind) for one in content if one.get("type") == kind]
    return "".join(part for part in parts if isinstance(part, str))


def _unsaid(message: dict[str, Any], endpoint: Endpoint) -> str:
    """Say why a message without a text has none."""
    content = message.get("content")
    if refusal := message.get("refusal") or _joined(content, "refusal"):
        return f"the model refuses to answer ({said_of(endpoint, refusal)})"
    text = _joined(content, "text")
    thinks = (
        any(message.get(name) for name in _THOUGHTS) or _BEGUN.match(text) or _ENDED.match(text)
    )
    return "the model thinks, and then answers nothing" if thinks else "the answer is empty"


def _without_thoughts(text: str) -> str:
    ended = _ENDED.match(text)
    rest = text[ended.end() :] if ended else text
    return "" if _BEGUN.match(rest) else _MARK.sub(" ", rest)
