"""What came of the questions: the answers to store, and what is told and counted of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zscr.data.describe.checks import Checks, Sentence
from zscr.data.describe.given import Answers
from zscr.data.describe.journal import Journal
from zscr.data.describe.prompts import Question
from zscr.data.describe.sentence import WORDS
from zscr.data.describe.trained import listed
from zscr.errors import InputError
from zscr.progress import say

_REASONS = 2  # that are told of a class


@dataclass(frozen=True)
class Outcome:
    """The answers that there are.

    Attributes:
        answers: class -> prompt -> sentence, in the order of the questions.
        cut: how many were longer.
        named: how many name another class that is trained on, as none without one came.
    """

    answers: Answers
    cut: int
    named: int


def answered(
    keys: Mapping[Question, str], journal: Journal, checks: Checks
) -> dict[Question, Sentence]:
    """Return the answers that are kept under some keys.

    One that names an unseen class, kept while that was seen, is none.
    """
    found = {question: journal.get(key) for question, key in keys.items()}
    return {
        question: sentence
        for question, sentence in found.items()
        if sentence and not checks.leak(question.class_id, sentence.text)
    }


def outcome_of(sentences: Mapping[Question, Sentence], checks: Checks) -> Outcome:
    """Return the answers by class and prompt, and count what is not as it should be."""
    answers: dict[str, dict[str, str]] = {}
    for question, sentence in sentences.items():
        answers.setdefault(question.class_id, {})[question.prompt] = sentence.text
    cut = sum(sentence.cut for sentence in sentences.values())
    named = sum(checks.names_another(one.class_id, said.text) for one, said in sentences.items())
    return Outcome(answers, cut, named)


def require_answers(asked: Iterable[Question], refused: Iterable[tuple[Question, str]]) -> None:
    """Refuse to go on while a class has no answer.

    Args:
        asked: all questions; refused: those without an answer, each with its reason.

    Raises:
        InputError: names these classes and their reasons.
    """
    reasons = dict(refused)
    classes: dict[str, list[str | None]] = {}
    for question in asked:
        classes.setdefault(question.class_id, []).append(reasons.get(question))
    rows = [
        f"{name} ({' and '.join([*dict.fromkeys(map(str, why))][:_REASONS])})"
        for name, why in classes.items()
        if None not in why
    ]
    if rows:
        raise InputError(
            f"{len(rows)} of {len(classes)} classes got no answer that can be kept: "
            f"{listed(rows)}; more --tries may get one"
        )


def tell_outcome(outcome: Outcome, came: int, there: int) -> None:
    """Say how many answers there are, and what is not as it should be."""
    named = f"; {outcome.named} answers name another training class" if outcome.named else ""
    say(f"{came} answers came, beside {there} that were there{named}")
    if outcome.cut:
        say(f"{outcome.cut} answers were longer and are cut to {WORDS} words")
