"""Measuring models beside each other: their speed on this machine, and their recall."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from zscr.data.collection import Collection
from zscr.data.tasks import gallery_queries, load_task
from zscr.errors import ZscrError
from zscr.infer.bundle import Bundle
from zscr.infer.evaluation.figures import query_values
from zscr.infer.evaluation.metrics import micro
from zscr.infer.features.encoded import encode_cached
from zscr.infer.models.measured import Measured, Recall, keep, machine
from zscr.infer.models.samples import SPLIT, drawn_samples, samples_of
from zscr.infer.models.timing import TEXT, Timing
from zscr.infer.runners.runner import Runtime
from zscr.progress import progress, say

ROUNDS = 3
_RECALLS = {"at_1": "R@1", "at_5": "R@5", "at_10": "R@10"}


def measure_models(folders: Sequence[Path], collection: Collection | None = None) -> None:
    """Measure bundles on this machine and keep what was found; one that fails is told of.

    All are timed in turns, so that what else the machine does falls on each alike; one is in
    memory at a time.

    Args:
        folders: of the bundles.
        collection: whose images and texts are encoded, and whose texts seek their images for the
            recall; None takes drawn images, and gives no recall.

    Raises:
        CollectionError, InputError: the collection does not hold images with texts.
    """
    given = drawn_samples() if collection is None else nullcontext(samples_of(collection))
    counts = sorted({1, Runtime().thread_count})
    timings = {folder: Timing() for folder in folders}

    def time_(folder: Path) -> None:
        for threads in counts:
            timings[folder].add(Bundle.open(folder, Runtime(threads=threads)), samples)

    def finish(folder: Path) -> None:
        bundle, timing = Bundle.open(folder), timings[folder]
        when = datetime.now(UTC).isoformat(timespec="seconds")
        found = Measured(when, machine(), timing.ran, samples.of, timing.speeds())
        keep(bundle.manifest.sha256, found)
        if collection and (recall := recall_of(bundle, collection)):
            keep(bundle.manifest.sha256, replace(found, recall=recall))

    with given as samples:
        left = list(folders)
        with progress("timing models", ROUNDS * len(folders)) as bar:
            for _ in range(ROUNDS):
                left = [folder for folder in left if _done(time_, folder)]
                bar.advance(len(folders))
        for folder in left:
            _done(finish, folder)


def _done(work: Callable[[Path], None], folder: Path) -> bool:
    """Say whether a model could be worked on; what keeps it from that is told."""
    try:
        work(folder)
    except ZscrError as error:
        say(f"{folder} could not be measured: {error}")
        return False
    return True


def recall_of(bundle: Bundle, collection: Collection) -> Recall | None:
    """Return how well the texts of the unseen split find their images; None if it takes none.

    Raises:
        CollectionError: there are no such texts.
        InputError: a text, or all of the images, cannot be used.
    """
    if TEXT not in bundle.takes:
        return None
    task = load_task(collection, "text", SPLIT)
    images = gallery_queries(collection, task)
    with TemporaryDirectory(prefix="zscr-") as store:
        held = encode_cached(Path(store), bundle.gallery, images, collection)
        asked = encode_cached(Path(store), bundle.route(TEXT), task.queries, collection)
    if lost := len(held.lost):
        say(f"{lost} images of {collection.folder} could not be used and are left out")
    relevance = task.narrowed(held.kept).relevance
    values = query_values(asked.rows, held.rows, relevance, names=[*_RECALLS.values()])
    return Recall(
        collection.name,
        collection.manifest.sha256,
        SPLIT,
        len(asked.rows),
        len(held.rows),
        **{name: micro(values[figure]) for name, figure in _RECALLS.items()},
    )
