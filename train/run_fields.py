"""What the fields of a run's manifest may be."""

from __future__ import annotations

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
_ENCODERS = {name: maybe(_SOURCE) for name in ("image", "text", "prompt")}
_JUDGED = record({"step": _COUNT, "value": number(), "figures": mapping(anything)})
_ADAPTED = record(
    {
        "base": record({"path": PATH, "sha256": SHA256}),
        "gallery": record({"path": PATH, "images": _COUNT}),
        "names": maybe(record({"path": PATH, "count": _COUNT})),
        "complete": flag,
    }
)
FIELDS = record(
    {
        "method": text(200),
        "config": mapping(anything),  # the method's own; `make_config` checks it
        "shapes": mapping(listing(integer(1, 1 << 24), 1, 4), keys=title),
        "sources": record({"collection": _SOURCE}, _ENCODERS),
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
