"""The images nearest to rows, found where the rows are embedded: on a GPU if they are, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

from zscr.errors import ConfigError, MissingExtraError
from zscr.infer.columns import Wanted
from zscr.infer.encoder import Rows
from zscr.infer.index.brief import are_few, how_few, is_few
from zscr.infer.index.index import Index, Match
from zscr.infer.runners.runner import Runtime
from zscr.progress import say

if TYPE_CHECKING:  # most queries need neither
    from zscr.infer.index.on_device.search import DeviceSearch

_MOST = 1000  # images a query that a GPU is asked for


@dataclass(frozen=True)
class Place:
    """What searches: a device, or None for the CPU; `told` is added to what ran."""

    device: DeviceSearch | None = None
    told: str = ""


class Nearest:
    """Searches an index for rows.

    Where graphs run on CUDA, so does the search of whole galleries that fit there: exactly, also in
    place of HNSW. Whatever else is asked for is searched on the CPU, which is then said.
    """

    def __init__(
        self,
        index: Index,
        runtime: Runtime,
        queries: int | None = None,
        device: DeviceSearch | None = None,
    ) -> None:
        """Search an index.

        Args:
            index: its images; runtime: how the rows are embedded, as `Bundle.open` settles it.
            queries: how many there will be in all, if that is known.
            device: what searches in place of the CPU; None is CUDA's if the runtime computes there.
        """
        self.index, self._runtime, self._queries = index, runtime, queries
        self._given, self._lock = device, Lock()
        self._is_on_device = device is not None or runtime.backend == "ort-cuda"

    def find(self, rows: Rows, wanted: Wanted) -> list[list[Match]]:
        """Return the matches of each unit row (B, D)."""
        if device := self.place(wanted).device:
            return self.index.search(rows, wanted.k, device=device)
        # An expanded query is not exact for less: it would compare the features of all images.
        exact = wanted.expansion is None and are_few(self.index.now, self._queries)
        return self.index.search(
            rows, wanted.k, exact=exact, expansion=wanted.expansion, only=wanted.only
        )

    @property
    def how(self) -> str:
        """One sentence: how all images are searched, and why."""
        place = self.place(Wanted())
        if place.device:
            return (
                f"exact, on {place.device.name}: products in float16, the best compared again in "
                f"float32 and float64"
            )
        few = are_few(self.index.now, self._queries)
        return f"{how_few(self._queries) if few else self.index.how}{place.told}"

    def place(self, wanted: Wanted, other: str | None = None) -> Place:
        """Return where such queries are searched, with the gallery copied there.

        Args:
            wanted: of them; other: what they are, if the CPU alone answers such.
        """
        if not self._is_on_device:
            return Place()
        if why := self._why_not(wanted, other):
            return Place(told=f"; searched on the CPU: {why}")
        return Place(self._device, f"; searched exactly on {self._device.name}")

    def _why_not(self, wanted: Wanted, other: str | None) -> str | None:
        now = self.index.now
        if wanted.expansion or wanted.only:
            other = "expanded queries" if wanted.expansion else "parts of an index"
        if other:
            return f"{other} are"
        if wanted.k > _MOST:
            return f"more than {_MOST} images a query are"
        if now.choice.pinned and now.hnsw is not None:
            return "by HNSW, as was asked for when the index was made"
        if is_few(self._queries):
            return f"so few queries ({self._queries}) take less than copying the gallery to the GPU"
        return self._fault or self._device.lack(now.vectors)

    @cached_property
    def _fault(self) -> str | None:
        """Why nothing can be searched on the GPU, found out once; None where it can."""
        from zscr.infer.runners.gpu import CudaError

        try:
            _ = self._device
        except (MissingExtraError, ConfigError, CudaError) as error:
            say(f"searched on the CPU: {error}")
            return str(error)
        return None

    @property
    def _device(self) -> DeviceSearch:
        from zscr.infer.index.on_device.search import DeviceSearch

        with self._lock:  # or each of several threads would copy the gallery for itself
            if self._given is None:
                self._given = DeviceSearch.on_cuda(self._runtime.thread_count)
            return self._given
