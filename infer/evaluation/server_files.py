"""Files of rankings for the servers that keep the answers of a data set: CIRR's and CIRCO's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zscr.data.relevance import ByItem, Truth
from zscr.data.tasks import Task
from zscr.disk import new_parents
from zscr.errors import InputError
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.evaluation.ranking import ranked_blocks
from zscr.partial import write_atomically

TOP, TOP_OF_SUBSET = 50, 3
CIRR_BYTES = 5 * 10**6  # its server takes no larger file

Ranking = tuple[str, Truth, Sequence[str]]  # query id, what is left out, all items best first
Files = dict[str, Any]  # name -> its content


def write_server_files(folder: Path, ranked: Ranked, whole: Task) -> list[Path]:
    """Write what the server of a task takes, each file whole or not at all.

    Args:
        folder: where the files go; it is made. `cirr_recall.json` and `cirr_recall_subset.json`,
            or `circo_test.json`.
        ranked: the task as a model ranks its gallery.
        whole: the task as it is stored: an image that the model could not use is missing in the
            other one. A server must keep its answers.

    Raises:
        InputError: its gallery or queries are not complete, or what would be written is not what
            the server takes.
        ArtefactError: the disk is full.
    """
    assert whole.server is not None, whole.name
    _require_complete(ranked.task, whole)
    contents = {
        folder / name: json.dumps(content, separators=(",", ":")).encode()
        for name, content in FORMATS[whole.server](_rankings(ranked)).items()
    }
    for path, content in contents.items():
        if whole.server == "cirr" and len(content) > CIRR_BYTES:
            raise InputError(
                f"{path.name} would have {len(content)} bytes, and CIRR's server takes "
                f"{CIRR_BYTES}; are the names of its images those that were published?"
            )
    for path, content in contents.items():
        with new_parents(path):
            write_atomically(path, content)
    return [*contents]


def _require_complete(ranked: Task, whole: Task) -> None:
    lost = whole.missing + len(whole.gallery) - len(ranked.gallery)
    if lost:
        raise InputError(
            f"{lost} images or queries of task '{whole.name}' are missing or cannot be used, so "
            f"that its server's figures would not be the protocol's; convert it with all of them"
        )


def _rankings(ranked: Ranked) -> Iterator[Ranking]:
    """Yield each query's ranking of the whole gallery; what is left out is still in it."""
    task = ranked.task
    assert isinstance(task.relevance, ByItem), "a server's task lists items"
    names = task.gallery
    for start, order in ranked_blocks(ranked.scorer):
        for row, best in enumerate(order, start):
            truth = task.relevance.truths[row]
            yield task.queries[row].id, truth, [names[place] for place in best]


def cirr_files(rankings: Iterator[Ranking]) -> Files:
    """Return CIRR's two files: 50 names a pairid, and 3 of the image set's, without the reference.

    Raises:
        InputError: a query has fewer to name.
    """
    recall: dict[str, Any] = {"version": "rc2", "metric": "recall"}
    subset: dict[str, Any] = {"version": "rc2", "metric": "recall_subset"}
    for query, truth, names in rankings:
        ranked = [name for name in names if name not in truth.exclude]
        members = [name for name in ranked if name in truth.subset]
        recall[query] = _first(TOP, ranked, query, "its gallery")
        subset[query] = _first(TOP_OF_SUBSET, members, query, "its image set")
    return {"cirr_recall.json": recall, "cirr_recall_subset.json": subset}


def circo_files(rankings: Iterator[Ranking]) -> Files:
    """Return CIRCO's file: 50 image ids, as numbers, a query; queries are numbered from 0.

    Raises:
        InputError: a query has fewer to name, or one is missing.
    """
    found = {
        int(query): [*map(int, _first(TOP, names, query, "its gallery"))]
        for query, _, names in rankings
    }
    if missing := sorted({*range(len(found))} - found.keys()):
        raise InputError(f"query {missing[0]} of CIRCO is missing; its server takes all of them")
    return {"circo_test.json": {str(query): found[query] for query in sorted(found)}}


def _first(count: int, names: Sequence[str], query: str, where: str) -> list[str]:
    if len(names) < count:
        raise InputError(
            f"query {query} ranks {len(names)} images of {where}, and its server takes {count}; "
            f"convert the whole published data set"
        )
    return [*names[:count]]


FORMATS: Mapping[str, Callable[[Iterator[Ranking]], Files]] = {
    "cirr": cirr_files,
    "circo": circo_files,
}
