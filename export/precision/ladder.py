"""`zscr export --precision`: query graphs in fewer bits, added to a bundle where they are as good.

The bundle's manifest names them when all are judged; an index stays valid, since its vectors are of
the gallery's graph, which is not touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zscr.artefact import file_entry, read_manifest
from zscr.export.card import write_card
from zscr.export.precision.gate import Limits
from zscr.export.precision.rungs import PLAIN, RUNGS, rungs_of
from zscr.export.precision.timing import time_graphs
from zscr.export.precision.trial import (
    ALONE,
    KEPT,
    REFUSED,
    Subject,
    Trial,
    subjects_of,
    try_rung,
)
from zscr.infer.bundle import KIND, Bundle
from zscr.infer.runners.runner import ORT_CPU
from zscr.lock import work_folder
from zscr.machine import describe
from zscr.processor import processor_flags
from zscr.progress import say

LEAST_SAVED = 0.1  # of fp32's CPU time, for a precision to run unasked
_PARITY = ("max_abs", "min_cosine", "samples", "batch_sizes")


def add_precisions(folder: Path, names: Iterable[str], limits: Limits | None = None) -> Bundle:
    """Add query graphs in other precisions to a bundle, with the table of what was measured.

    What was tried of it before is tried again, so that all take turns.

    Args:
        folder: of the bundle.
        names: of `RUNGS`, `fp32`, or `all`.
        limits: what a precision may cost.

    Raises:
        ConfigError: an unknown precision, or nothing to judge one by.
        ArtefactError: the bundle is damaged, or the disk is full.
    """
    bundle = Bundle.open(folder, ALONE)
    before = bundle.manifest.body.get("precisions", {}).get("rungs", {})
    rungs, limits = rungs_of([*names, *before]), limits or Limits()
    if not rungs:
        return Bundle.open(folder)
    with work_folder(bundle.folder.with_name(f".{bundle.name}.precisions"), f"trying {folder}"):
        subjects = subjects_of(bundle)
        trials = {PLAIN: _plain(subjects)}
        try:
            for rung in rungs:
                trials[rung] = try_rung(rung, subjects, limits)
                say(_spoken(rung, trials[rung]))
            _time(subjects, trials)
            _commit(bundle, subjects, trials, limits)
        finally:
            _remove_unlisted(bundle, [one.path(rung) for one in subjects for rung in rungs])
    return Bundle.open(folder)


def _plain(subjects: Sequence[Subject]) -> Trial:
    sizes = {one.name: {"bytes": one.plain.graph.stat().st_size} for one in subjects}
    return Trial(graphs=sizes, encoders={one.name: one.plain for one in subjects})


def _spoken(rung: str, trial: Trial) -> str:
    figures = [f for f in trial.graphs.values() if "gain" in f]
    told = [
        f"mAP {f['gain']:+.4f} [{f['interval'][0]:+.4f}, {f['interval'][1]:+.4f}] over "
        f"{f['queries']} queries, cosine at least {f['min_cosine']:.4f}, top-10 overlap "
        f"{f['top10_overlap']:.3f}"
        for f in figures
    ]
    return "; ".join([f"{rung} is {trial.status}", *([trial.why] if trial.why else []), *told])


def _time(subjects: Sequence[Subject], trials: Mapping[str, Trial]) -> None:
    """Add to the figures of all that ran what they cost, in turns."""
    for subject in subjects:
        encoders = {
            rung: trial.encoders[subject.name]
            for rung, trial in trials.items()
            if subject.name in trial.encoders
        }
        for rung, spent in time_graphs(encoders, subject.judge.samples).items():
            trials[rung].graphs[subject.name] |= spent


def fastest_of(trials: Mapping[str, Trial], flags: frozenset[str]) -> dict[str, Any] | None:
    """Return the precision that is chosen unasked, and the instructions that it was measured with.

    It is kept, runs in onnxruntime, does not make an answer depend on its batch, and takes the
    least CPU time for a query alone, clearly less than fp32; the processor has instructions for it.

    Args:
        trials: of fp32 and the others; flags: of this processor.

    Returns:
        `precision` and `instructions`; None where fp32 is to run.
    """
    spent = {
        rung: sum(figures["cpu_ms"] for figures in trial.graphs.values())
        for rung, trial in trials.items()
        if rung == PLAIN
        or (
            trial.status == KEPT
            and trial.backend == ORT_CPU
            and RUNGS[rung].alone
            and RUNGS[rung].instructions & flags
        )
    }
    best = min(spent, key=spent.__getitem__)
    if spent[best] > (1 - LEAST_SAVED) * spent[PLAIN]:
        return None
    return {"precision": best, "instructions": sorted(RUNGS[best].instructions & flags)}


def _commit(
    bundle: Bundle, subjects: Sequence[Subject], trials: Mapping[str, Trial], limits: Limits
) -> None:
    """Write the card, and the manifest that names what is kept or could not be run."""
    files, body = dict(bundle.manifest.files), dict(bundle.manifest.body)
    graphs = {name: dict(entry) for name, entry in body["graphs"].items()}
    for subject in subjects:
        variants = {PLAIN: graphs[subject.name]["variants"][PLAIN]}
        for rung in (name for name in trials if name != PLAIN):
            path, figures = subject.path(rung), trials[rung].graphs.get(subject.name, {})
            files.pop(path.name, None)
            if trials[rung].status != REFUSED:
                files[path.name] = file_entry(path)
                parity = {name: figures[name] for name in _PARITY if name in figures}
                variants[rung] = {"file": path.name, **({"parity": parity} if parity else {})}
        graphs[subject.name]["variants"] = variants
    body |= {"graphs": graphs, "precisions": _table(trials, limits)}
    body.pop("fastest", None)
    if fastest := fastest_of(trials, processor_flags() or frozenset()):
        body["fastest"] = fastest
    write_card(bundle.folder, files, body)


def _remove_unlisted(bundle: Bundle, paths: Iterable[Path]) -> None:
    """Remove graphs that were made and are not in the manifest, as it is by now."""
    listed = read_manifest(bundle.folder, KIND).files
    for path in paths:
        if path.name not in listed:
            path.unlink(missing_ok=True)


def _table(trials: Mapping[str, Trial], limits: Limits) -> dict[str, Any]:
    """Return what the manifest says of all that was tried."""
    rungs = {rung: trial.to_json() for rung, trial in trials.items()}
    return {
        "limits": asdict(limits),
        "threads": ALONE.threads,
        "machine": describe(),
        "rungs": rungs,
    }
