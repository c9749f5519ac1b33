"""Exact search on a device: what is found is proved, query by query, to be what the host finds.

The host scores the candidates in float64, as it does its own. If the k-th of them is above what
every other row can score at most (see `rounding`), they are the best. A query whose k-th is not, as
where many rows are nearly equal, is searched by float32 products alone, and if that proves nothing,
as where rows are equal, by the host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import Lock

import numpy as np
import numpy.typing as npt

from zscr.infer.index.exact import Gallery, Hits, Vectors, no_hits, rank, search_exact, together
from zscr.infer.index.on_device.device import Device, DeviceError
from zscr.infer.index.on_device.gallery import GROUP, Candidates, DeviceGallery, bytes_of
from zscr.infer.runners.gpu import CudaError
from zscr.progress import say


class DeviceSearch:
    """Searches one gallery at a time, from any number of threads.

    Attributes:
        device: that computes.
        answered: how many queries were proved by which products: `float16`, `float32`, `host`.
    """

    def __init__(self, device: Device, free: Callable[[], int], group: int = GROUP) -> None:
        """Search on a device.

        Args:
            device: that computes; free: says how many bytes of it are free.
            group: rows of which the best are taken first, at most.
        """
        self.device, self._free, self._group, self._lock = device, free, group, Lock()
        self._vectors: Gallery | None = None
        self._gallery: DeviceGallery | None = None
        self._lack: str | None = None
        self.answered: Counter[str] = Counter(float16=0, float32=0, host=0)

    @classmethod
    def on_cuda(cls, threads: int) -> DeviceSearch:
        """Search on CUDA's first device.

        Raises:
            ConfigError: onnxruntime has no kernel for a node.
            MissingExtraError: NVIDIA's binding of the driver is not installed.
        """
        device = Device("cuda", threads)
        return cls(device, device.free)

    @property
    def name(self) -> str:
        """What searches, for people."""
        return self.device.name

    def lack(self, vectors: Gallery) -> str | None:
        """Copy a gallery (N, D), N >= 1, to the device in place of the one before it.

        Returns:
            Why it cannot be searched there, in words that are said once; None where it can.
        """
        return self._prepared(vectors)[1]

    def search(self, vectors: Gallery, queries: Vectors, k: int) -> Hits:
        """Return what `search_exact` does, which it leaves to it where `lack` says so."""
        k = min(k, len(vectors))
        if not k or not len(queries):
            return no_hits(len(queries), k)
        gallery, _ = self._prepared(vectors)
        if gallery is None:
            return self._on_host(vectors, queries, k)
        step = gallery.at_once(k)
        parts = (queries[start : start + step] for start in range(0, len(queries), step))
        try:
            return together([self._proved(gallery, vectors, part, k) for part in parts])
        except DeviceError as error:
            self._give_up(vectors, str(error))
            return self._on_host(vectors, queries, k)

    def _give_up(self, vectors: Gallery, lack: str) -> None:
        """Leave a gallery to the CPU from now on, and give its memory back."""
        with self._lock:
            if vectors is self._vectors and self._gallery:
                self._gallery, self._lack = None, lack
                say(f"searched on the CPU: {lack}")

    def _prepared(self, vectors: Gallery) -> tuple[DeviceGallery | None, str | None]:
        with self._lock:
            if vectors is not self._vectors:
                self._vectors = self._gallery = None  # given back before the next is copied
                self._gallery, self._lack = self._copied(vectors)
                self._vectors = vectors
            return self._gallery, self._lack

    def _copied(self, vectors: Gallery) -> tuple[DeviceGallery | None, str | None]:
        need = bytes_of(*vectors.shape)
        try:
            if need <= (free := self._free()):
                return DeviceGallery(self.device, vectors, self._group), None
            lack = (
                f"{len(vectors)} images of {vectors.shape[1]} dimensions need {need / 1e9:.2f} GB "
                f"on {self.device.name}, of which {free / 1e9:.2f} are free"
            )
        except CudaError as error:  # another process took it, or the driver does not tell
            lack = str(error)
        say(f"searched on the CPU: {lack}")
        return None, lack

    def _proved(self, gallery: DeviceGallery, vectors: Gallery, queries: Vectors, k: int) -> Hits:
        hits, left = no_hits(len(queries), k), np.arange(len(queries))
        for stage, candidates in (("float16", gallery.by_half), ("float32", gallery.by_full)):
            if not left.size:
                return hits
            found, proved = proof(vectors, queries[left], candidates(queries[left], k), k)
            hits.rows[left[proved]], hits.scores[left[proved]] = (
                found.rows[proved],
                found.scores[proved],
            )
            self._count(stage, int(proved.sum()))
            left = left[~proved]
        if left.size:
            found = self._on_host(vectors, queries[left], k)
            hits.rows[left], hits.scores[left] = found.rows, found.scores
        return hits

    def _on_host(self, vectors: Gallery, queries: Vectors, k: int) -> Hits:
        self._count("host", len(queries))
        return search_exact(vectors, queries, k)

    def _count(self, stage: str, queries: int) -> None:
        with self._lock:
            self.answered[stage] += queries


def proof(
    vectors: Gallery, queries: Vectors, candidates: Candidates, k: int
) -> tuple[Hits, npt.NDArray[np.bool_]]:
    """Return the best k (B, k) of the candidates of B queries, and of which of them it is proved.

    Where it is not, the hits mean nothing.
    """
    found = rank([(vectors, queries)], candidates.rows, candidates.rows.shape[1])
    sound = _as_assumed(found, candidates)
    again = np.zeros(found.rows.shape, bool)  # what is there twice stands side by side
    again[:, 1:] = found.rows[:, 1:] == found.rows[:, :-1]
    order = np.argsort(again, axis=1, kind="stable")[:, :k]
    best = Hits(
        np.take_along_axis(found.rows, order, 1), np.take_along_axis(found.scores, order, 1)
    )
    enough = (~again).sum(1) >= k
    return best, sound & enough & (best.scores[:, -1] > candidates.most)


def _as_assumed(found: Hits, candidates: Candidates) -> npt.NDArray[np.bool_]:
    """Say of which queries the device's scores are as near to the true ones as was assumed."""
    order = np.argsort(candidates.rows, axis=1, kind="stable")
    true = np.take_along_axis(found.scores, np.argsort(found.rows, axis=1, kind="stable"), 1)
    sound = np.ones(len(order), bool)
    for told in candidates.told:
        off = np.broadcast_to(told.off, told.scores.shape)
        scores, off = (np.take_along_axis(one, order, 1) for one in (told.scores, off))
        sound &= (np.abs(scores - true) <= off).all(axis=1)
    return sound
