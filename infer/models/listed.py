"""What a list of models says of one: of a bundle on the disk, or of a name that can be had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from zscr.errors import ArtefactError
from zscr.infer.bundle import Bundle
from zscr.infer.models.known import Known
from zscr.infer.models.measured import Measured, last_measured
from zscr.progress import say

Kind = Literal["installed", "bundle", "known"]


@dataclass(frozen=True)
class Metric:
    """The figure by which the weights of a bundle were selected, as its export recorded it.

    Attributes:
        name: such as `mAP`; value: on the validation classes or items.
        collection, sha256: of which they are.
    """

    name: str
    value: float
    collection: str
    sha256: str


@dataclass(frozen=True)
class Listed:
    """One model; what is not known of it is None.

    Attributes:
        name: what `zscr models use` takes; of kind `known`, what `zscr export` takes.
        kind: `installed` for the user, a `bundle` of this folder or elsewhere, `known` by name.
        folder: of the bundle.
        chosen: whether `zscr find` uses it.
        dim: of its embeddings; mib: of its files.
        takes: what queries may be made of.
        source: what it was made of.
        fault: why it cannot be used.
        metric: what its export recorded; None where that judged on nothing.
        measured: what was measured of it last.
        best: whether it is Pareto-best of those that it can be compared with; see `compared`.
    """

    name: str
    kind: Kind
    folder: str | None = None
    chosen: bool = False
    dim: int | None = None
    mib: float | None = None
    licence: str | None = None
    languages: tuple[str, ...] | None = None
    takes: tuple[str, ...] = ()
    source: str | None = None
    fault: str | None = None
    metric: Metric | None = None
    measured: Measured | None = None
    best: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON can hold it."""
        return asdict(self)


def listed_bundle(path: Path, name: str, kind: Kind = "bundle", *, chosen: bool = False) -> Listed:
    """Return what a bundle's manifest says of it, and what was measured; or why it is none."""
    here = Listed(name, kind, str(path), chosen)
    try:
        bundle = Bundle.open(path)
    except ArtefactError as error:
        return replace(here, fault=str(error))
    manifest = bundle.manifest
    about = manifest.body.get("provenance", {})
    return replace(
        here,
        dim=bundle.dim,
        mib=round(sum(file["bytes"] for file in manifest.files.values()) / (1 << 20), 1),
        licence=_text(about.get("licence")),
        languages=_texts(about.get("languages")),
        takes=tuple(sorted(" + ".join(sorted(fields)) for fields in bundle.takes)),
        source=_text(about.get("source")) or _text(about.get("run")),
        metric=recorded(about),
        measured=_measured(manifest.sha256),
    )


def listed_name(known: Known) -> Listed:
    """Return what is known of a model that is not here."""
    return Listed(
        known.name,
        "known",
        dim=known.dim,
        mib=known.mib,
        licence=known.licence,
        languages=known.languages,
        takes=known.takes,
    )


def recorded(provenance: Mapping[str, Any]) -> Metric | None:
    """Return the figure that a bundle's provenance has of the validation split."""
    figures, config, sources = (_fields(provenance, n) for n in ("validation", "config", "sources"))
    collection = _fields(sources, "collection")
    name, sha256 = config.get("select_by"), collection.get("sha256")
    value = figures.get(name)
    if not isinstance(name, str) or not isinstance(value, float) or not isinstance(sha256, str):
        return None
    return Metric(name, value, str(collection.get("name", "")), sha256)


def _fields(told: Mapping[str, Any], name: str) -> Mapping[Any, Any]:
    """Return the fields of one that holds some; none of another."""
    found = told.get(name)
    return found if isinstance(found, Mapping) else {}


def _measured(sha256: str) -> Measured | None:
    try:
        return last_measured(sha256)
    except ArtefactError as error:
        say(str(error))
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(one for one in value if isinstance(one, str))
