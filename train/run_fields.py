"""What the fields of a run's manifest may be."""

from __future__ import annotations

from typing import Any

from zscr.schema import (
    PATH,
    SHA256,
    anything,
    flag,
    integer,
    listing,
    mapping,
    maybe,
    number,
    record,
    text,
    title,
)

_COUNT = integer(0, 1 << 53)
_PLACE = {"path": PATH, "relative": PATH}
_SOURCE = record({**_PLACE, "name": title, "sha256": SHA256})
_TABLE = text(200, r"[a-z]+(/[a-z0-9-]+)?")  # or a view of one
_ENCODERS = mapping(maybe(_SOURCE), keys=_TABLE)  # and the collection, which is no null
_JUDGED = record({"step": _COUNT, "value": number(), "figures": mapping(anything)})
_ADAPTED = record(
    {
        "base": record({"path": PATH, "sha256": SHA256}),
        "gallery": record({"path": PATH, "images": _COUNT}),
        "names": maybe(record({"path": PATH, "count": _COUNT})),
        "complete": flag,
    }
)


def _sources(value: Any, where: str) -> None:
    record({"collection": _SOURCE})(value, where)
    _ENCODERS(value, where)


FIELDS = record(
    {
        "method": text(200),
        "config": mapping(anything),  # the method's own; `make_config` checks it
        "shapes": mapping(listing(integer(1, 1 << 24), 1, 4), keys=_TABLE),
        "sources": _sources,
        "step": _COUNT,
        "done": flag,
        "best": maybe(_JUDGED),
        "last": maybe(_JUDGED),
        "chosen": mapping(anything),
        "refit": flag,
        "refitting": flag,
    },
    {"adapted": maybe(_ADAPTED)},
)
