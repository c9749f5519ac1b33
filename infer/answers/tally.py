"""What a stream of answers came to, counted as they pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from zscr.errors import InputError
from zscr.infer.answers.answer import Answer


@dataclass
class Tally:
    """Counts of the answers that have passed.

    Attributes:
        queries: how many were asked; refused: how many of them could not be answered.
        first: why the first of these was not.
        ran: each way that queries were embedded, in the order of their first use.
        uncalibrated: whether of any hit it is not known how it ranks among unrelated queries.
    """

    queries: int = 0
    refused: int = 0
    first: str = ""
    ran: dict[str, None] = field(default_factory=dict)
    uncalibrated: bool = False

    def counting(self, answers: Iterable[Answer]) -> Iterator[Answer]:
        """Pass answers on, one by one."""
        for answer in answers:
            self.queries += 1
            if answer.ran:
                self.ran[answer.ran] = None
            self.uncalibrated |= any(hit.above_unrelated is None for hit in answer.hits)
            if answer.error:
                self.refused += 1
                self.first = self.first or answer.error
            yield answer

    def check(self) -> None:
        """Say in the end that not all queries were answered.

        Raises:
            InputError: how many were not, and why the first.
        """
        if self.refused:
            counts = f"{self.refused} of {self.queries} queries could not be answered"
            raise InputError(f"{counts}; the first: {self.first}")


def all_answered(answers: Iterable[Answer]) -> Iterator[Answer]:
    """Pass answers on up to the first query that could not be answered.

    Raises:
        InputError: why it could not.
    """
    for answer in answers:
        if answer.error:
            raise InputError(answer.error)
        yield answer
