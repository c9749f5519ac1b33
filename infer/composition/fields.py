"""What a composition's entry in a bundle's manifest may be.

It stands apart from what is made of it, since every query checks a manifest, and few are composed.
"""

from __future__ import annotations

from zscr.schema import by_kind, file_name, integer, listing, number, one_of, record, text

# λ of `harris`: at 1/4 and above, s t - λ (s + t)² is positive nowhere.
VALUES = {"slerp": (0.0, 1.0), "harris": (1e-6, 0.249), "cdf": (0.0, 1.0)}
_ROWS = {"mean": file_name, "instead": file_name, "context": file_name, "projection": file_name}
_CHANNEL = record(
    {"field": one_of("text", "image", "sketch"), "graph": text(200, least=1)},
    {
        **_ROWS,
        "centred": one_of(True, False),
        "replaces": one_of(True, False),
        "template": text(1000, least=1),
        "least": number(),
        "samples": file_name,
    },
)
_FUSION = by_kind(
    "kind",
    {
        "sum": record({}),
        "weights": record({"weights": listing(number(), 1, 8)}),
        "product": record({}),
        **{kind: record({"value": number(*VALUES[kind])}) for kind in ("slerp", "cdf")},
        "harris": record({"value": number(*VALUES["harris"])}, {"divisor": one_of("first", "own")}),
    },
)
_EXPANSION = record({"images": integer(1, 1000), "sharpness": number(0, 1000)})
_VOCABULARY = record(
    {"words": file_name, "vectors": file_name},
    {"images": integer(1, 1000), "nearest": integer(1, 100), "kept": integer(1, 100)},
)
# What a composition's entry in a manifest may be.
COMPOSITION = record(
    {"about": text(1000)},
    {
        "graph": text(200, least=1),
        "channels": listing(_CHANNEL, 1, 8),
        "fusion": _FUSION,
        "gallery_mean": file_name,
        "moments": file_name,
        "expansion": _EXPANSION,
        "vocabulary": _VOCABULARY,
    },
)
