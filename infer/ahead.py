"""Calls that are begun on a thread of their own, before their results are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Ahead(Generic[Result]):
    """Runs a call at once beside what this thread goes on with.

    Loading a graph is work of onnxruntime, which lets other threads run meanwhile.
    """

    def __init__(self, call: Callable[[], Result]) -> None:
        self._call = call
        self._found: list[Result] = []
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found.append(self._call())
        except BaseException as error:  # noqa: BLE001  # whoever asks for the result gets it
            self._error = error

    def wait(self) -> None:
        """Wait for the call to end."""
        self._thread.join()

    def result(self) -> Result:
        """Wait for the call to end; return what it returned, or raise what it raised."""
        self.wait()
        if self._error is not None:
            raise self._error
        return self._found[0]


def one_ahead(call: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield what a call returns of each item; the next is called while one is being used.

    Decoding the images of a batch and running a graph on those of another take different cores.
    """
    if not items:
        return
    found, waiting = call(items[0]), None
    try:
        for item in items[1:]:
            waiting = Ahead(partial(call, item))
            yield found
            found = waiting.result()
        yield found
    finally:
        if waiting:
            waiting.wait()
