"""Replies that servers really give: what is read of each, and the reason that the command tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from tests.data.describe.server import (
    Fault,
    Model,
    body,
    completion,
    echo,
    message,
    reset,
    saying,
    silence,
    status,
)
from zscr.data.collection import Collection
from zscr.data.describe.checks import Unusable
from zscr.data.describe.endpoint import Endpoint
from zscr.data.describe.reply import text_of
from zscr.data.describe.stored import read_descriptions
from zscr.errors import InputError
from zscr.patience import PassingFault

pytest.importorskip("openai", reason="needs the extra 'describe'")
SAID = {"type": "text", "text": "It is "}
BUSY = {"message": "slow\ndown", "type": "requests", "code": "rate_limit_exceeded"}
UNPAID = {"message": "no quota", "type": "insufficient_quota", "code": "insufficient_quota"}
FILTERED = {"message": "hateful", "code": "content_filter", "type": None}
PAGE = b"\n<!DOCTYPE html><html><title>Log in</title></html>"


ODD = st.recursive(
    st.sampled_from([None, True, 0, 429, 1e300, "", "text", "error", "<think>", "invalid"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["error", "type", "text", "code", "message"]), inner)
    ),
    max_leaves=6,
)
FIELDS = "choices message content error object refusal type text code finish_reason".split()


def sentence(cars: Collection) -> str:
    """Return the first answer that is stored."""
    return read_descriptions(cars.folder).answers["car_(sedan)"]["looks"]


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (message(content=None, refusal="I can't."), "the model refuses to answer (I can't.)"),
        (
            message(content=[{"type": "refusal", "refusal": "No."}]),
            "the model refuses to answer (No.)",
        ),
        (message(content=""), "the answer is empty"),
        (message(role="assistant"), "the answer is empty"),
        (message(content="...!"), "the answer has no word"),
        (message(content=None, reasoning_content="Hm."), "the model thinks, and then answers"),
        (message(content="<think>Hm."), "the model thinks, and then answers nothing"),
        (message(content="Hm.</think>"), "the model thinks, and then answers nothing"),
        (message(content="<|channel|>analysis<|message|>Hm."), "thinks, and then answers nothing"),
        (message(content="I\u2019m sorry, but I can't help."), "the model declines to answer"),
        (message(content=7), "damaged (choices[0].message.content is 7, not a text)"),
        (echo(), "the answer only repeats the question"),
        (echo("User: ", " OK!"), "the answer only repeats the question"),
        (saying("Which visible parts tell"), "the answer only repeats the question"),
        (saying("It is", "length"), "breaks off, at the server's limit of tokens"),
        (saying("It is", "MAX_TOKENS"), "breaks off, at the server's limit of tokens"),
        (saying(None, "content_filter"), "breaks off, at the server's filter"),
        (saying("It is", "abort"), "breaks off, at a fault of the server"),
        (body({"choices": []}), "the answer has no choices"),
        (body({"choices": None}), "the answer has no choices"),
        (body({"error": None}), "the answer is damaged (it lacks 'choices')"),
        (body(PAGE, Content_Type="text/html"), "the answer is a web page"),
        (body(b""), "the answer has no body"),
        (body(b"\x1f\x8b\x08 no", Content_Encoding="gzip"), "the answer is packed"),
        (body({"error": FILTERED}, 400), "the server's filter refuses the question (hateful)"),
        (body({"error": FILTERED}), "the server's filter refuses the question (hateful)"),
        (body({"error": BUSY}), "answers an error (slow down)"),
        (reset, "broke (APIConnectionError)"),
        (silence, "gave no whole answer in 0.5 s (--timeout)"),
    ],
)
def test_the_reason_of_a_question_without_an_answer(
    describe: Callable[..., Result], cars: Collection, model: Model, fault: Fault, why: str
) -> None:
    """It is told with the question, which alone is left out."""
    model.faults += [saying(model.says), fault]
    done = describe("--tries", "1", "--timeout", "0.5" if fault is silence else "30")
    assert done.exit_code == 0, done.output
    told = done.stderr.partition("left out: car_(sedan) parts (")[2].splitlines()[0]
    assert why in told
    assert len(model.asked) == 12
    assert "parts" not in read_descriptions(cars.folder).answers["car_(sedan)"]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ([SAID, {"type": "text", "text": "long."}], "It is long."),
        ([{"type": "thinking", "thinking": [SAID]}, {"type": "text", "text": "Wide."}], "Wide."),
        ("Round and red.", "Round and red."),
        ("<Thinking>An apple</Thinking>\nRound.", "Round."),
        ("<|channel|>analysis<|message|>Hm.<|end|><|channel|>final<|message|>Wide.", "Wide."),
        ("Wide.<|im_end|>", "Wide."),
        ("I-shaped in section.", "I-shaped in section."),
        ("Its overall shape is that of an egg.", "Its overall shape is that of an egg."),
    ],
)
def test_contents_that_are_read(
    describe: Callable[..., Result], cars: Collection, model: Model, sent: Any, read: str
) -> None:
    model.faults.append(message(content=sent, refusal=None))
    assert describe().exit_code == 0
    assert sentence(cars) == read


@pytest.mark.parametrize(
    ("before", "headers"),
    [
        (b"\xef\xbb\xbf", {}),
        (b"", {"Set-Cookie": "a=\xff"}),
        (b"", {"Content-Encoding": "IDENTITY"}),
        (b"", {"Content-Encoding": ""}),
    ],
)
def test_what_changes_nothing(
    describe: Callable[..., Result], model: Model, before: bytes, headers: dict[str, str]
) -> None:
    """A byte order mark, and a cookie, which is not sent back: this one could not be."""
    model.faults += [body(before + completion(model.says), **headers)] * 12
    done = describe()
    assert done.exit_code == 0, done.output
    assert len(model.asked) == 12
    assert not any("cookie" in head for head in model.heads)


@pytest.mark.parametrize(
    "fault",
    [
        body({"error": BUSY}),
        body({"error": {"message": "slow down", "code": 429}}),
        body({"error": "slow down"}),
        body({"object": "error", "message": "slow down", "code": 50001}),
        body({"choices": [{"error": {"message": "slow down", "code": 502}}]}),
        body({"error": {"message": "slow down", "code": 425}}),
    ],
)
def test_an_error_under_status_200_that_passes(
    describe: Callable[..., Result], model: Model, fault: Fault
) -> None:
    model.faults.append(fault)
    done = describe()
    assert done.exit_code == 0, done.output
    assert "answers an error (slow down); trying again in 0.01 s" in done.stderr
    assert len(model.asked) == 13


MESSAGES = st.dictionaries(st.sampled_from(FIELDS), ODD)
CHOICES = ODD | MESSAGES | MESSAGES.map(lambda message: {"message": message})


@given(ODD | MESSAGES | CHOICES.map(lambda choice: {"choices": [choice]}))
def test_odd_json_is_a_text_or_a_known_fault(reply: Any) -> None:
    """Whatever a server puts where; and no text is empty."""
    with suppress(Unusable, PassingFault, InputError):
        assert text_of(json.dumps(reply).encode(), Endpoint("http://here", "m"), {}).strip()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (status(401, "who?"), "refuses model 'm' with 401 (who?); check the key"),
        (status(402, "pay"), "402 (pay); look at the plan and the credit of its account"),
        (body({"detail": "not for you"}, 403), "403 (not for you); check the key"),
        (body(PAGE, 404), "404 (a web page); check the base URL and the name of the model"),
        (body([{"error": {"message": "who?"}}], 400), "with 400 (who?); change the options"),
        (body({"detail": [{"loc": ["seed"], "msg": "no"}]}, 422), "with 422 (no); change the opt"),
        (body(b"", 413), "with 413; the question is too long for it: give --prompts"),
        (body({"error": UNPAID}, 429), "429 (no quota); look at the plan and the credit"),
        (body({"error": UNPAID}), "an error (no quota); look at the plan and the credit"),
        (body({"error": {"message": "who?", "code": 401}}), "401 (who?); check the key"),
        (body({"error": {"message": "x", "type": "invalid_request_error"}}), "an error (x); ch"),
    ],
)
def test_a_refusal_is_not_tried_again(
    describe: Callable[..., Result], model: Model, fault: Fault, told: str
) -> None:
    model.faults += [saying(model.says), fault]
    done = describe()
    assert done.exit_code == 1
    assert told in done.stderr
    assert "1 of 12 answers are kept" in done.stderr
    assert len(model.asked) == 2


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ("-5", "trying again in 0.01 s"),
        ("soon", "trying again in 0.01 s"),
        ("1.5", "trying again in 0.01 s"),
        ("Mon, 01 Jan 2001 00:00:00 GMT", "trying again in 0 s"),
        ("Fri, 31 Dec 2000000000000 23:59:59 GMT", "trying again in 0.01 s"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "asks to wait 2.5"),
        ("9" * 400, "asks to wait"),
        ("61", "asks to wait 61 s"),
    ],
)
def test_odd_times_to_wait(
    describe: Callable[..., Result], model: Model, after: str, told: str
) -> None:
    """One that is none is not heeded; one over the patience ends the command at once."""
    model.faults.append(status(503, Retry_After=after))
    done = describe()
    assert told in done.stderr
    assert isinstance(done.exception, SystemExit | None)
    assert len(model.asked) == (1 if done.exit_code else 13)


def test_a_training_class_may_be_named_where_nothing_else_comes(
    describe: Callable[..., Result], cars: Collection, model: Model
) -> None:
    """The last such answer is kept, and counted in this call and in those that find it kept."""
    model.faults += [saying("Unlike apples."), saying("It is as big as two Apples."), saying("")]
    for _ in range(2):
        done = describe("--replace")
        assert done.exit_code == 0, done.output
        assert "that were there; 1 answers name another training class\n" in done.stderr
        assert len(model.asked) == 14
        assert model.questions[2].endswith("Do not use these words: apple.")
        assert sentence(cars) == "It is as big as two Apples."
        assert read_descriptions(cars.folder).manifest.body["named"] == 1


def test_an_unseen_class_is_never_named(
    describe: Callable[..., Result], cars: Collection, model: Model
) -> None:
    """Not beside a training class either, nor by an answer that was kept while it was seen."""
    model.faults += [saying("An apple behind two doors.")] * 3
    done = describe()
    assert done.exit_code == 0, done.output
    assert "(the answer says 'doors', which names the unseen class door)" in done.stderr
    kept = cars.folder / "answers/answers.jsonl"
    kept.write_bytes(kept.read_bytes().replace(b"a broad body", b"a broad door", 1))
    assert describe("--replace").exit_code == 0
    assert len(model.asked) == 14 + 2
    assert "door" not in str(read_descriptions(cars.folder).answers)


def test_an_endpoint_that_falls_silent_ends_the_command(
    describe: Callable[..., Result], model: Model
) -> None:
    """One question may be too much for it; two in a row, without an answer between, are not."""
    model.faults += [saying(model.says), silence, saying(model.says), silence, silence]
    done = describe("--tries", "1", "--timeout", "0.3")
    assert done.exit_code == 1
    assert "gave no whole answer in 0.3 s (--timeout); 2 of 12 answers are kept" in done.stderr
    assert len(model.asked) == 5
