"""What was measured of a model on this machine, kept for every later list of models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from zscr.artefact import dump_json
from zscr.disk import reading_faults, require_writable
from zscr.errors import ArtefactError, InputError
from zscr.home import home_folder
from zscr.machine import processor
from zscr.partial import write_atomically
from zscr.progress import say
from zscr.regular import read_regular
from zscr.schema import SHA256, integer, listing, maybe, number, record, text
from zscr.strict_json import parse_json

_LARGEST = 1 << 16  # bytes of a file
_MS, _SHARE = number(0, 1e9), number(0, 1)
_SPEED = record({"threads": integer(1, 1 << 16), "image_ms": _MS, "text_ms": maybe(_MS)})
_RECALL = record(
    {
        "collection": text(200),
        "sha256": SHA256,
        "split": text(40),
        "queries": integer(1, 1 << 40),
        "gallery": integer(1, 1 << 40),
        "at_1": _SHARE,
        "at_5": _SHARE,
        "at_10": _SHARE,
    }
)
_MEASURED = record(
    {
        "when": text(40),
        "machine": text(400),
        "ran": text(400),
        "images": text(400),
        "speeds": listing(_SPEED, 1, 2),
        "recall": maybe(_RECALL),
    }
)


@dataclass(frozen=True)
class Speed:
    """Median milliseconds of one image, from its file, and of one text alone; None: takes none."""

    threads: int
    image_ms: float
    text_ms: float | None


@dataclass(frozen=True)
class Recall:
    """How well texts find their images: the share of queries with one of theirs in the first k.

    Attributes:
        collection, sha256, split: what was asked, and of which images.
        queries, gallery: their numbers.
        at_1, at_5, at_10: R@k.
    """

    collection: str
    sha256: str
    split: str
    queries: int
    gallery: int
    at_1: float
    at_5: float
    at_10: float


@dataclass(frozen=True)
class Measured:
    """A measurement of a model.

    Attributes:
        when: UTC, `2026-11-26T12:00:00`.
        machine: CPU and cores; ran: what computed, with its version and zscr's.
        images: what was encoded, such as the name of a collection.
        speeds: with every core that may be used, and with one thread if these are several.
        recall: None where no collection was asked for.
    """

    when: str
    machine: str
    ran: str
    images: str
    speeds: tuple[Speed, ...]
    recall: Recall | None = None


def machine() -> str:
    """Return this machine's processor, and how many of its cores may be used."""
    return f"{processor()}, {len(os.sched_getaffinity(0))} cores"


def keep(sha256: str, measured: Measured) -> Measured:
    """Keep a measurement of the bundle of that manifest; without a recall, the last one stays."""
    try:
        before = last_measured(sha256)
    except ArtefactError as error:
        say(str(error))
        before = None
    if measured.recall is None and before is not None:
        measured = replace(measured, recall=before.recall)
    path = _place(sha256)
    require_writable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, dump_json(asdict(measured)))
    return measured


def last_measured(sha256: str) -> Measured | None:
    """Return what was measured last of the bundle of that manifest; None if nothing was.

    Raises:
        ArtefactError: the file cannot be read.
    """
    path = _place(sha256)
    with reading_faults(path):
        if not path.exists():
            return None
    try:
        content = parse_json(read_regular(path, _LARGEST, "measurement"))
        _MEASURED(content, "")
    except (ValueError, InputError) as error:
        raise ArtefactError(
            f"what was measured in {path} cannot be read ({error}); 'zscr models --measure' "
            f"measures again"
        ) from error
    return _made(content)


def _place(sha256: str) -> Path:
    return home_folder() / "measured" / f"{sha256[:16]}.json"


def _made(content: Mapping[str, Any]) -> Measured:
    speeds = tuple(Speed(**one) for one in content["speeds"])
    recall = Recall(**content["recall"]) if content["recall"] else None
    return Measured(**{**content, "speeds": speeds, "recall": recall})
