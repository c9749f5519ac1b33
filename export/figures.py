"""What `zscr evaluate` found of a run, taken from its JSON into a bundle, for the card to show.

An export looks at no unseen class by itself: it takes figures that were asked for, and only those
of the very weights that it exports.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zscr.artefact import hash_bytes, read_manifest
from zscr.errors import ConfigError, InputError, MismatchError
from zscr.export.card import write_card
from zscr.export.card_figures import FIGURES, shown_columns
from zscr.infer.bundle import KIND, Bundle
from zscr.infer.evaluation.figures import is_figure, summary_names
from zscr.infer.evaluation.naming import WORDS
from zscr.infer.evaluation.paired import FIGURE, own_metrics
from zscr.regular import read_regular
from zscr.schema import (
    SHA256,
    anything,
    flag,
    integer,
    listing,
    mapping,
    maybe,
    number,
    one_of,
    record,
    text,
)
from zscr.strict_json import parse_json
from zscr.train.methods.settings import make_head_settings
from zscr.train.run import Run

_LIMIT = 256 << 20  # bytes of a report, which has a row for each class and control
_COUNT, _NAME = integer(0, 1 << 53), text(200, least=1)
_BOUNDS = listing(number(), 2, 2)
_METRICS = mapping(number(), keys=_NAME)
_DIFFERENCE = record({"mean": number(), "interval": _BOUNDS, "ahead": _COUNT, "groups": _COUNT})
_JUDGED = record(
    {"metrics": _METRICS},
    {
        "intervals": mapping(_BOUNDS, keys=_NAME),
        "difference": _DIFFERENCE,
        "differences": mapping(_DIFFERENCE, keys=_NAME),
    },
)
_WEIGHTS = record({"run_sha256": maybe(text(64)), "step": maybe(_COUNT)})
_HEAD = {
    "kind": one_of("run", "bundle"),
    "method": _NAME,
    "head_settings": mapping(anything),
    "weights": listing(maybe(_WEIGHTS), 1),
    "seeds": listing(anything, 1),
    "selection": text(2000),
    "refitted": flag,
    "collection": _NAME,
    "collection_sha256": SHA256,
    "task": _NAME,
    "split": one_of("unseen", "val"),
    "grouped_by": one_of(*WORDS),
    "queries": _COUNT,
    "gallery": _COUNT,
    "groups": _COUNT,
    "chance": number(0, 1),
    "figures": listing(_NAME),
    "versions": mapping(anything),
}
_MAY_BE = {"zeros": _COUNT, "composition": _NAME, "gallery_use": text(2000), "unanswered": text()}
_MAY_BE |= {"reranking": record({"used": text(2000)}), "controls": mapping(mapping(anything))}
_KEPT = (*_HEAD, "zeros", "composition", "gallery_use")


def read_figures(path: Path, run: Run, settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Read a report of `zscr evaluate RUN --json`, if it is of a run's final weights.

    Args:
        path: of the report; run: that is exported; settings: of its heads.

    Returns:
        What the manifest's `figures` holds, see docs/formats.md.

    Raises:
        InputError: it is no such report, or holds no figures of a model.
        MismatchError: it is of other weights, settings or several runs; names both.
        ConfigError: it is of the validation classes.
    """
    raw = _read(path)
    try:
        report = parse_json(raw)
        record(_HEAD, _MAY_BE)(report, "")
        if "unanswered" in report:
            raise ValueError(report["unanswered"])
        taken = _taken(report)
    except ValueError as error:
        raise InputError(
            f"{path} holds no figures of 'zscr evaluate RUN --json' ({error}); make it anew"
        ) from error
    _require_same(path, report, run, settings)
    return {"report": path.name, "sha256": hash_bytes(raw), **taken}


def add_figures(bundle: Bundle, figures: Mapping[str, Any]) -> Bundle:
    """Put figures into a bundle's manifest and card, in place of what was there of them."""
    manifest = read_manifest(bundle.folder, KIND)
    if manifest.body.get(FIGURES) == figures:
        return bundle
    write_card(bundle.folder, manifest.files, {**manifest.body, FIGURES: dict(figures)})
    return Bundle.open(bundle.folder, bundle.runtime)


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, _LIMIT, "report")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); name another") from error


def _taken(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a card needs of a report, whose controls are shown by the same columns.

    Raises:
        ValueError: a figure is missing, or no number.
    """
    for name in report["figures"]:
        if not is_figure(name):
            raise ValueError(f"'{name:.60}' is no figure")
    names = {*shown_columns(report)}
    names |= {summary_names(metric)[0] for metric in (FIGURE, *own_metrics(report))}
    kept = {name: report[name] for name in _KEPT if name in report}
    kept |= _judged(report, names, "") | {"weights": report["weights"][0]}
    if "reranking" in report:
        kept["reranking"] = {"used": report["reranking"]["used"]}
    if missing := sorted(names - kept["metrics"].keys()):
        raise ValueError(f"metrics lacks '{missing[0]}'")
    controls = report.get("controls", {}).items()
    of_each = {name: _judged(one, names, f"controls.{name:.60}") for name, one in controls}
    for name, one in of_each.items():
        _require_comparable(name, one, names, own_metrics(report))
    return kept | {"controls": of_each}


def _judged(found: Mapping[str, Any], names: set[str], where: str) -> dict[str, Any]:
    """Return a model's or control's figures of these names, and how far the model is ahead."""
    if "metrics" not in found:  # image to image: few figures, and macro is micro
        _METRICS(found, where)
        found = {"metrics": {**found, **{f"{name} macro": one for name, one in found.items()}}}
    _JUDGED(found, where)
    of_all = {key: found[key] for key in ("metrics", "intervals") if key in found}
    ahead = {key: found[key] for key in ("difference", "differences") if key in found}
    return {
        key: {name: one for name, one in of.items() if name in names} for key, of in of_all.items()
    } | ahead


def _require_comparable(
    name: str, control: Mapping[str, Any], names: set[str], own: list[str]
) -> None:
    """Refuse a control that is said to answer the same queries and lacks figures of them."""
    if "difference" not in control:
        return
    lacking = names - control["metrics"].keys() | {*own} - control.get("differences", {}).keys()
    if lacking:
        raise ValueError(f"controls.{name:.60} lacks '{min(lacking)}'")


def _require_same(
    path: Path, report: Mapping[str, Any], run: Run, settings: Mapping[str, Any] | None
) -> None:
    """Refuse figures that are not of the weights and heads that are exported."""
    again = f"make it anew by 'zscr evaluate {run.folder} --controls --json'"
    if report["kind"] != "run" or len(report["weights"]) > 1:
        of = "a bundle" if report["kind"] != "run" else f"{len(report['weights'])} runs' means"
        raise MismatchError(f"{path} is of {of}, not of {run.folder} alone; {again}")
    assert run.best is not None, "it has final weights"
    mine = {"run_sha256": run.read_from, "step": run.best["step"]}
    if report["weights"][0] != mine:
        theirs, ours = (_spoken(one or {}) for one in (report["weights"][0], mine))
        raise MismatchError(
            f"{path} is stale: it is of {theirs}, and {run.folder} has {ours}; {again}"
        )
    if report["split"] != "unseen":
        raise ConfigError(f"{path} is of the validation classes; {again}")
    chosen = make_head_settings(run.method, run.load_model(), settings or {})
    if json.dumps(report["head_settings"], sort_keys=True) != json.dumps(chosen, sort_keys=True):
        raise MismatchError(
            f"{path} is of heads with {_listed(report['head_settings'])}, the export's have "
            f"{_listed(chosen)}; give both commands the same --set"
        )


def _spoken(weights: Mapping[str, Any]) -> str:
    return f"weights of step {weights.get('step')} of run {str(weights.get('run_sha256'))[:12]}"


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "no settings"
