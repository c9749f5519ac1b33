"""What the fields of an index's manifest may be."""

from __future__ import annotations

from zscr.infer.index.calibration import CALIBRATION, UNRELATED
from zscr.infer.index.roots import ROOT
from zscr.schema import flag, integer, listing, maybe, number, one_of, record, text

_COUNT = integer(0, 1 << 40)
_MEASURED = {name: number() for name in ("recall_at_10", "p50_exact_ms", "p50_hnsw_ms")}
_MEASURED |= {"queries": text(), "n": _COUNT, "count": _COUNT}
FIELDS = record(
    {
        "space": text(200, least=1),
        "bundle_name": text(255),
        "metric": one_of("cosine"),
        "dim": integer(1, 1 << 16),
        "count": _COUNT,
        "stored": one_of("float32", "float16"),
        "segments": listing(
            record(
                {
                    "number": integer(1, 1 << 53),
                    "count": _COUNT,
                    "removed": _COUNT,
                    "in_hnsw": flag,
                }
            ),
            1,
        ),
        "next_label": _COUNT,
        "next_segment": integer(1, 1 << 53),
        "unmeasured": _COUNT,
        "generation": integer(0, 1 << 53),
        "search": one_of("exact", "hnsw"),
        "how": text(),
        "pinned": flag,
        "ef": maybe(integer(1, 1 << 20)),
        "recall": number(0, 1),
        "measured": maybe(record(_MEASURED)),
        "roots": listing(ROOT, most=10_000),
        "duplicates": one_of("keep", "link"),
        "unrelated": maybe(UNRELATED),
        "calibrations": listing(CALIBRATION, most=100),
        "feature_dim": maybe(integer(1, 1 << 16)),
        "diffusion": maybe(
            record({"k": integer(1, 10_000), "alpha": number(0, 1), "steps": integer(1, 10_000)})
        ),
    },
    {"precision": text(40, least=1)},
)
