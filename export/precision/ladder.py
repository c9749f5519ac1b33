"""`zscr export --precision`: graphs in fewer bits, added to a bundle where they are as good.

The bundle's manifest names them when all are judged. An index stays valid: its vectors are of the
gallery's graph in the precision that it records, and the space is that of fp32.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zscr.artefact import file_entry, read_manifest
from zscr.export.card import write_card
from zscr.export.precision.gate import Limits
from zscr.export.precision.rungs import RUNGS, rungs_of
from zscr.export.precision.timing import time_graphs
from zscr.export.precision.trial import (
    ALONE,
    KEPT,
    Subject,
    Trial,
    Trials,
    gallery_subject,
    leading,
    subjects_of,
    told_of,
    try_plain,
    try_rung,
)
from zscr.infer.bundle import KIND, Bundle
from zscr.infer.precision import PLAIN, REFUSED
from zscr.infer.runners.runner import OPENVINO, ORT_CPU
from zscr.lock import work_folder
from zscr.machine import PACKAGES, describe
from zscr.processor import processor_flags
from zscr.progress import say

LEAST_SAVED = 0.1  # of fp32's CPU time, for a precision to run unasked
SAME = 1e-3  # of a component: what sums in another order make, and scales that rows share exceed
OF_QUERIES, OF_GALLERY = "precisions", "gallery_precisions"  # tables of the manifest's body
_PARITY = ("max_abs", "min_cosine", "samples", "batch_sizes")


def add_precisions(
    folder: Path,
    names: Iterable[str],
    limits: Limits | None = None,
    *,
    gallery: Iterable[str] = (),
) -> Bundle:
    """Add graphs in other precisions to a bundle, with the table of what was measured.

    What was tried of the queries, or of the gallery, before is tried again with what is asked for
    of it, so that all take turns.

    Args:
        folder: of the bundle.
        names: of `RUNGS`, `fp32`, or `all`, for the graphs of queries.
        limits: what a precision may cost.
        gallery: likewise, for the graph that encodes the gallery.

    Raises:
        ConfigError: an unknown precision, or nothing to judge one by.
        ArtefactError: the bundle is damaged, or the disk is full.
    """
    bundle, limits = Bundle.open(folder, ALONE), limits or Limits()
    asked = {OF_QUERIES: _rungs(bundle, OF_QUERIES, names)}
    asked |= {OF_GALLERY: _rungs(bundle, OF_GALLERY, gallery)}
    if not any(asked.values()):
        return Bundle.open(folder)
    with work_folder(bundle.folder.with_name(f".{bundle.name}.precisions"), f"trying {folder}"):
        subjects = {OF_QUERIES: subjects_of(bundle) if asked[OF_QUERIES] else []}
        subjects |= {OF_GALLERY: [gallery_subject(bundle)] if asked[OF_GALLERY] else []}
        try:
            tried = {
                table: _tried(subjects[table], rungs, limits)
                for table, rungs in asked.items()
                if rungs
            }
            _commit(bundle, subjects, tried, limits)
        finally:
            made = [
                path
                for table, rungs in asked.items()
                for one in subjects[table]
                for rung in rungs
                for path in one.paths(rung)
            ]
            _remove_unlisted(bundle, made)
    return Bundle.open(folder)


def _rungs(bundle: Bundle, table: str, names: Iterable[str]) -> list[str]:
    """Return the rungs that are asked for, and with them those that were tried before."""
    if not (rungs := rungs_of(names)):
        return []
    return rungs_of([*rungs, *bundle.manifest.body.get(table, {}).get("rungs", {})])


def _tried(subjects: Sequence[Subject], rungs: Sequence[str], limits: Limits) -> dict[str, Trials]:
    """Try all rungs of some graphs, fp32 among them, and time them in turns."""
    tried = {PLAIN: try_plain(subjects, limits)}
    for rung in rungs:
        tried[rung] = try_rung(rung, subjects, limits)
        for trial in tried[rung].values():
            if trial.graphs or trial is leading(tried[rung]):  # what cannot be made is said once
                say(_spoken(rung, trial))
    _time(subjects, tried)
    return tried


def _spoken(rung: str, trial: Trial) -> str:
    figures = [f for f in trial.graphs.values() if "gain" in f]
    told = [
        f"mAP {f['gain']:+.4f} [{f['interval'][0]:+.4f}, {f['interval'][1]:+.4f}] over "
        f"{f['queries']} queries, cosine at least {f['min_cosine']:.4f}, top-10 overlap "
        f"{f['top10_overlap']:.3f}"
        for f in figures
    ]
    name = rung if trial.backend == ORT_CPU else f"{rung} on {trial.backend}"
    return "; ".join([f"{name} is {trial.status}", *([trial.why] if trial.why else []), *told])


def _time(subjects: Sequence[Subject], tried: Mapping[str, Trials]) -> None:
    """Add to the figures of all that ran what they cost, in turns."""
    for subject in subjects:
        encoders = {
            (rung, backend): trial.encoders[subject.name]
            for rung, trials in tried.items()
            for backend, trial in trials.items()
            if subject.name in trial.encoders
        }
        for (rung, backend), spent in time_graphs(encoders, subject.judge.samples).items():
            tried[rung][backend].graphs[subject.name] |= spent


def fastest_of(
    tried: Mapping[str, Trials], backend: str, flags: frozenset[str]
) -> dict[str, Any] | None:
    """Return the precision that a backend is given unasked, and the instructions it was timed with.

    It is kept there, does not make an answer depend on its batch, and takes the least CPU time for
    a query alone, clearly less than fp32; the processor has instructions for it.

    Args:
        tried: what came of fp32 and the others; flags: of this processor.

    Returns:
        `precision` and `instructions`; None where fp32 is to run.
    """
    here = {rung: trials[backend] for rung, trials in tried.items() if backend in trials}
    spent = {
        rung: sum(figures["cpu_ms"] for figures in trial.graphs.values())
        for rung, trial in here.items()
        if trial.status == KEPT
        and (rung == PLAIN or (_is_alone(rung, trial) and RUNGS[rung].instructions & flags))
    }
    best = min(spent, key=spent.__getitem__, default=PLAIN)
    if PLAIN not in spent or spent[best] > (1 - LEAST_SAVED) * spent[PLAIN]:
        return None
    return {"precision": best, "instructions": sorted(RUNGS[best].instructions & flags)}


def _is_alone(rung: str, trial: Trial) -> bool:
    """Say whether an answer does not depend on its batch, by what is known and was measured."""
    measured = max(figures["between_batches"] for figures in trial.graphs.values())
    return trial.backend in RUNGS[rung].alone and measured <= SAME


def _commit(
    bundle: Bundle,
    subjects: Mapping[str, Sequence[Subject]],
    tried: Mapping[str, Mapping[str, Trials]],
    limits: Limits,
) -> None:
    """Write the card, and the manifest that names what is kept or could not be run."""
    files, body = dict(bundle.manifest.files), dict(bundle.manifest.body)
    graphs = {name: dict(entry) for name, entry in body["graphs"].items()}
    for table, trials in tried.items():
        chosen = {rung: leading(of) for rung, of in trials.items() if rung != PLAIN}
        for subject in subjects[table]:
            entry = graphs[subject.name]
            entry["variants"] = _variants(subject, entry["variants"][PLAIN], chosen, files)
        body[table] = _table(trials, limits)
    body["graphs"] = graphs
    if queries := tried.get(OF_QUERIES):
        body = _without_choice(body) | _choice(queries)
    write_card(bundle.folder, files, body)


def _variants(
    subject: Subject, plain: Any, chosen: Mapping[str, Trial], files: dict[str, Any]
) -> dict[str, Any]:
    """Return the variants of a graph that stay, and list their files among `files`."""
    variants = {PLAIN: plain}
    for rung, trial in chosen.items():
        (path, before), figures = subject.paths(rung), trial.graphs.get(subject.name, {})
        files.pop(before.name, None)
        if trial.status != REFUSED:
            files[path.name] = file_entry(path)
            parity = {name: figures[name] for name in _PARITY if name in figures}
            variants[rung] = {"file": path.name, **({"parity": parity} if parity else {})}
    return variants


def _without_choice(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in ("fastest", "fastest_by")}


def _choice(tried: Mapping[str, Trials]) -> dict[str, Any]:
    """Return what the manifest says of the precisions that run unasked."""
    flags = processor_flags() or frozenset()
    fastest = {name: fastest_of(tried, name, flags) for name in tried[PLAIN]}
    by = {name: one for name, one in fastest.items() if one and name != ORT_CPU}
    told = {"fastest": fastest[ORT_CPU], "fastest_by": by}
    return {name: value for name, value in told.items() if value}


def _remove_unlisted(bundle: Bundle, paths: Iterable[Path]) -> None:
    """Remove graphs that were made, or replaced, and are not in the manifest as it is by now."""
    listed = read_manifest(bundle.folder, KIND).files
    for path in paths:
        if path.name not in listed:
            path.unlink(missing_ok=True)


def _table(tried: Mapping[str, Trials], limits: Limits) -> dict[str, Any]:
    """Return what the manifest says of all that was tried."""
    return {
        "limits": asdict(limits),
        "threads": ALONE.threads,
        "machine": describe((*PACKAGES, OPENVINO)),
        "rungs": {rung: told_of(trials) for rung, trials in tried.items()},
    }
