"""The milliseconds that a model takes for an image and for a text."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version

from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.bundle import SAME_IMAGE, Bundle, spoken
from zscr.infer.encoder import Encoder
from zscr.infer.models.measured import Speed
from zscr.infer.models.samples import Samples
from zscr.infer.reading import encode_readable

TEXT = frozenset({"text"})


@dataclass
class Timing:
    """What was timed of one model so far: number of threads -> milliseconds.

    Attributes:
        images: of one image from its file to its embedding, in a batch.
        texts: of one text alone, as a query comes.
        ran: what computed, with its version and zscr's.
    """

    images: dict[int, list[float]] = field(default_factory=dict)
    texts: dict[int, list[float]] = field(default_factory=dict)
    ran: str = ""

    def add(self, bundle: Bundle, samples: Samples) -> None:
        """Time a batch of images and each text alone, after a warm-up of either.

        What cannot be read is left out. A vocabulary of few words may know none of the texts, so
        the bundle's own examples are at hand, too.

        Raises:
            InputError: the model holds no images, or can read none of these, or no text.
            ArtefactError: it is damaged.
        """
        gallery, threads = bundle.gallery, bundle.runtime.thread_count
        if gallery.fields != SAME_IMAGE:
            raise InputError(f"its gallery is of {spoken(gallery.fields)}s and not of images")
        self.ran = f"{gallery.runner.ran.rsplit(', ', 1)[0]}, zscr {version('zscr')}"
        images = _readable(gallery, Query.of("image", samples.images))
        taken = _milliseconds(partial(gallery.encode, images)) / len(images)
        self.images.setdefault(threads, []).append(taken)
        if TEXT in bundle.takes:
            encoder, examples = bundle.route(TEXT), [*bundle.examples][: len(samples.texts)]
            texts = _readable(encoder, Query.of("text", [*samples.texts, *examples]))
            each = [_milliseconds(partial(encoder.encode, [one])) for one in texts]
            self.texts.setdefault(threads, []).extend(each)

    def speeds(self) -> tuple[Speed, ...]:
        """Return the medians, those of the most threads first."""
        return tuple(
            Speed(
                threads,
                statistics.median(self.images[threads]),
                statistics.median(self.texts[threads]) if self.texts else None,
            )
            for threads in sorted(self.images, reverse=True)
        )


def _readable(encoder: Encoder, queries: Sequence[Query]) -> list[Query]:
    """Encode queries for a warm-up; return those that could be."""
    rows, _ = encode_readable(encoder, queries)
    if not rows:
        encoder.prepare(queries)  # which says why
    return [queries[row] for row in rows]


def _milliseconds(call: Callable[[], object]) -> float:
    before = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - before)
