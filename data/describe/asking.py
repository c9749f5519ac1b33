"""Many questions asked at the same time, each with patience; answers are kept as they come."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from zscr.artefact import dump_json, hash_bytes
from zscr.data.describe.chat import Chat
from zscr.data.describe.checks import Checks, Sentence, Unusable
from zscr.data.describe.endpoint import Endpoint
from zscr.data.describe.journal import Journal
from zscr.data.describe.prompts import INSTRUCTION, Question
from zscr.errors import InputError
from zscr.patience import PassingFault, Patience
from zscr.progress import Progress, say


@dataclass
class Tally:
    """What came of the questions that were asked.

    Attributes:
        kept: answers that came and were kept.
        again: answers that could not be kept, after which the question was asked again.
        passed: times that the endpoint did not answer at first, by why.
        refused: questions that were given up, each with what was wrong with its last try.
    """

    kept: int = 0
    again: int = 0
    passed: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[Question, str]] = field(default_factory=list)


def key_of(endpoint: Endpoint, question: Question) -> str:
    """Return what an answer is kept under: the hash of all that decides it."""
    asked = [endpoint.address, endpoint.model, endpoint.temperature, endpoint.seed]
    return hash_bytes(dump_json([*asked, INSTRUCTION, question.class_id, question.text]))


class Asker:
    """Asks questions of an endpoint, and keeps their answers in a journal."""

    def __init__(
        self, chat: Chat, checks: Checks, journal: Journal, patience: Patience, bar: Progress
    ) -> None:
        self.tally = Tally()
        self._chat, self._checks, self._journal = chat, checks, journal
        self._patience, self._bar = patience, bar
        self._mute = True  # whether nothing has come, or nothing since a question was given up

    async def ask_all(self, questions: Iterable[Question], parallel: int) -> None:
        """Ask all questions, so many at a time.

        Raises:
            InputError: the endpoint refuses, or the patience with it is at its end. What was
                answered is kept.
        """
        left = iter(questions)
        workers = [asyncio.create_task(self._work(left)) for _ in range(parallel)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self._chat.close()

    async def _work(self, left: Iterator[Question]) -> None:
        for question in left:
            sentence = await self._ask(question)
            if sentence:
                self._journal.keep(key_of(self._chat.endpoint, question), sentence)
                self.tally.kept += 1
            self._bar.advance(1, question.class_id)

    async def _ask(self, question: Question) -> Sentence | None:
        """Return an answer that can be kept; None, once none was after so many tries."""
        tries, again = self._patience.tries, 0
        avoid: dict[str, None] = {}
        spare: Sentence | None = None
        last: Unusable | PassingFault | None = None
        for failed in range(1, tries + 1):
            try:
                return await self._try(question, question.text + _without(avoid), again)
            except Unusable as fault:
                avoid |= dict.fromkeys(fault.avoid)
                again += 1
                spare, last = fault.spare or spare, fault
                self.tally.again += failed < tries
            except PassingFault as fault:
                last = fault
                if failed < tries:
                    await self._wait(fault, failed)
        if last and not spare:
            self._give_up(question, last)
        return spare

    async def _try(self, question: Question, text: str, again: int) -> Sentence:
        answer = await self._chat.answer(INSTRUCTION, text, again)
        self._mute = False
        return self._checks.sentence(question.class_id, answer, (INSTRUCTION, text))

    def _give_up(self, question: Question, fault: Unusable | PassingFault) -> None:
        """Leave a question without an answer.

        Raises:
            InputError: further ones are in vain: nothing but damage comes, or nothing has come
                since another one was given up.
        """
        self.tally.refused.append((question, str(fault)))
        if isinstance(fault, PassingFault):
            if self._mute:
                raise _unanswered(fault, self._patience.tries)
            self._mute = True
        elif fault.damaged and not self.tally.kept:
            raise InputError(
                f"{self._chat.endpoint.address} has no chat model: {fault}, {self._patience.tries} "
                f"times; check the URL"
            )

    async def _wait(self, fault: PassingFault, failed: int) -> None:
        """Wait until another try is due.

        Raises:
            InputError: it never is.
        """
        wait = self._patience.wait(fault, failed)
        if wait is None or (fault.unreachable and not self._chat.answered):
            raise _unanswered(fault, failed)
        if not self.tally.passed[str(fault)]:  # of many at a time it is counted
            say(f"{fault}; trying again in {wait:g} s ({failed} of {self._patience.tries})")
        self.tally.passed[str(fault)] += 1
        await asyncio.sleep(wait)


def _unanswered(fault: PassingFault, failed: int) -> InputError:
    asked = f" and asks to wait {fault.wait:g} s" if fault.wait else ""
    times = f", {failed} times" if failed > 1 else ""
    return InputError(f"the endpoint gives no answer: {fault}{asked}{times}")


def _without(avoid: Iterable[str]) -> str:
    """Ask for an answer without the names of other classes that the ones before it had."""
    names = ", ".join(avoid)
    return f" Do not use these words: {names}." if names else ""
