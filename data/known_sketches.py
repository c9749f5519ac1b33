"""The known collections of sketches: Sketchy here, and the published benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from zscr.data.known_source import Source

_sketchy = partial(
    Source,
    "zscr.data.sources.sketchy:convert_sketchy",
    "class names, and LVIS's definitions of them",
    what="a folder or ZIP of Sketchy's photos and sketches",
    example="sketchy25.zip",
    archive="sketchy25",
)
_sketchy_domains = partial(
    Source,
    "zscr.data.sources.sketchy_domains:convert_sketchy_domains",
    "a caption of each image, and LVIS's definitions of classes",
    what="Sketchy's photos and sketches in one gallery, to ask for the one by the other",
    example="sketchy25.zip",
    archive="sketchy25",
)
_sketchy_clip = partial(
    Source,
    "zscr.data.sources.sketchy_clip:convert_sketchy_clip",
    "published CLIP vectors of class names",
    what="Sketchy's photos, with CLIP vectors of the classes' names as texts",
    example="sketchy25.zip",
    archive="sketchy25",
)


_PUBLISHED = ("held_out", "names", "deduplicated", "skip_missing", "seed")
_published = partial(
    Source,
    "zscr.data.sources.sketches.published:convert_published",
    "class names, and LVIS's definitions of them",
    options=_PUBLISHED,
)
SKETCHES: Mapping[str, Source] = {
    "sketchy25": _sketchy(
        "photos and sketches; 21 unseen classes", options=("split", "names", "seed")
    ),
    "sketchy25-25": _sketchy(
        "photos and sketches; 25 unseen classes, for development",
        options=("names", "seed"),
        arguments={"split": "25"},
    ),
    "sketchy25-domains": _sketchy_domains(
        "photos and sketches; 21 unseen classes", options=("split", "names", "seed")
    ),
    "sketchy25-25-domains": _sketchy_domains(
        "photos and sketches; 25 unseen classes, for development",
        options=("names", "seed"),
        arguments={"split": "25"},
    ),
    "sketchy25-clip": _sketchy_clip(
        "photos; 18 unseen classes", options=("split", "names", "seed")
    ),
    "sketchy25-25-clip": _sketchy_clip(
        "photos; 23 unseen classes, for development",
        options=("names", "seed"),
        arguments={"split": "25"},
    ),
    "sketchy-ext": _published(
        "photos and sketches of 125 classes; 21 unseen",
        what="extended Sketchy, with ZSE-SBIR's lists",
        example="datasets/Sketchy",
        options=("split", *_PUBLISHED),
        archive="sketchy_ext",
        arguments={"name": "sketchy-ext"},
    ),
    "sketchy-ext-25": _published(
        "photos and sketches of 125 classes; 25 unseen",
        what="extended Sketchy with 25 unseen classes, by ZSE-SBIR's lists",
        example="datasets/Sketchy",
        archive="sketchy_ext",
        arguments={"name": "sketchy-ext-25"},
    ),
    "tuberlin-ext": _published(
        "photos and sketches of 250 classes; 30 unseen",
        what="extended TU-Berlin, with ZSE-SBIR's lists",
        example="datasets/TUBerlin",
        archive="tuberlin_ext",
        arguments={"name": "tuberlin-ext"},
    ),
    "quickdraw-ext": _published(
        "photos and sketches of 110 classes; 30 unseen",
        what="extended QuickDraw, with ZSE-SBIR's lists",
        example="datasets/QuickDraw",
        archive="quickdraw_ext",
        arguments={"name": "quickdraw-ext"},
    ),
}
