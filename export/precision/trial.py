"""One rung tried on graphs of a bundle: made, run on each backend, judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx

from zscr.data.tasks import gallery_queries
from zscr.errors import ArtefactError, ConfigError, InputError
from zscr.export.precision.gate import Judge, Limits, fault_of
from zscr.export.precision.rungs import RUNGS
from zscr.extras import has_extra
from zscr.infer.bundle import GALLERY, Bundle, spoken
from zscr.infer.bundle_manifest import fields_of, pair_name
from zscr.infer.encoder import Encoder
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.precision import PLAIN, REFUSED
from zscr.infer.runners.runner import OPENVINO, ORT_CPU, Runtime
from zscr.partial import write_atomically
from zscr.train.evaluation.bundle_model import open_bundle_model
from zscr.train.evaluation.model import Model
from zscr.train.evaluation.reranking import choosing_task

KEPT, NOT_RUN = "kept", "built, not run"
ALONE = Runtime(threads=1, precision=PLAIN)


@dataclass(frozen=True)
class Subject:
    """A graph in fp32, and what judges it in other precisions."""

    bundle: Bundle
    name: str
    plain: Encoder
    judge: Judge

    def paths(self, rung: str) -> tuple[Path, Path]:
        """Return where it is made in a precision, and where it is if there is one.

        That one is in use until the manifest names another, so the new one is made beside it.
        """
        first, second = (f"{self.name}.{rung}{more}.onnx" for more in ("", ".again"))
        if first in self.bundle.manifest.files:
            first, second = second, first
        return self.bundle.folder / first, self.bundle.folder / second

    def opened(self, path: Path, backend: str) -> Encoder:
        """Open a file of it on one thread.

        Raises:
            ArtefactError: it cannot be run here.
        """
        entry, name = self.bundle.graphs[self.name], path.stem
        return Encoder(
            path,
            entry["inputs"],
            output=entry["output"],
            name=name,
            sha256="",
            runtime=replace(ALONE, backend=backend),
        )


@dataclass
class Trial:
    """What came of one rung on one backend.

    Attributes:
        status: KEPT, REFUSED or NOT_RUN; why: it is not kept.
        backend: that it ran on; graphs: of each graph, its figures; encoders: those that ran.
    """

    status: str = KEPT
    why: str | None = None
    backend: str = ORT_CPU
    graphs: dict[str, dict[str, Any]] = field(default_factory=dict)
    encoders: dict[str, Encoder] = field(default_factory=dict)

    def end(self, status: str, why: str) -> None:
        """Keep it from being kept, for the first reason; one to refuse it outweighs others."""
        if self.status == KEPT or (self.status, status) == (NOT_RUN, REFUSED):
            self.status, self.why = status, why

    def to_json(self) -> dict[str, Any]:
        """Return it as the manifest has it."""
        return {
            "status": self.status,
            **({"why": self.why} if self.why else {}),
            **({"backend": self.backend} if self.encoders else {}),
            "graphs": self.graphs,
        }


Trials = Mapping[str, Trial]  # backend -> what came of a rung there, onnxruntime first


def leading(trials: Trials) -> Trial:
    """Return the trial by which a rung's graph stays: the first that is kept, else that ran."""
    return min(trials.values(), key=lambda trial: (KEPT, REFUSED, NOT_RUN).index(trial.status))


def told_of(trials: Trials) -> dict[str, Any]:
    """Return what the manifest says of a rung: the leading trial, and the others beside it."""
    first = leading(trials)
    others = {name: one for name, one in trials.items() if one is not first and one.graphs}
    beside = {name: one.to_json() for name, one in others.items()}
    return {**first.to_json(), **({"beside": beside} if beside else {})}


def subjects_of(bundle: Bundle) -> list[Subject]:
    """Return the query graphs of a bundle, each with validation queries of its own.

    Raises:
        ConfigError: there is none, one of them has no such queries, or the bundle re-ranks: what
            other tokens would do to that is not judged.
    """
    _refuse_pair(bundle)
    model, found = open_bundle_model(bundle.folder, runtime=ALONE), list[Subject]()
    for name, fields in _asking(bundle):
        embedded = _embedded(model, fields)
        if embedded is None:
            raise ConfigError(
                f"{model.collection.folder} has no validation queries of {spoken(fields)} to judge "
                f"a precision of '{name}' by; leave --precision out"
            )
        plain = bundle.graph(name)
        found.append(Subject(bundle, name, plain, Judge.of_queries(plain, embedded)))
    if not found:
        raise ConfigError(f"{bundle.name} has no graph of queries alone; leave --precision out")
    return found


def gallery_subject(bundle: Bundle) -> Subject:
    """Return the gallery's graph, judged by what the first query graph that has queries finds.

    Raises:
        ConfigError: there are no validation queries, or the bundle re-ranks.
    """
    _refuse_pair(bundle)
    model = open_bundle_model(bundle.folder, runtime=ALONE)
    for _, fields in _asking(bundle):
        if embedded := _embedded(model, fields):
            images = gallery_queries(model.collection, embedded.task)
            judge = Judge.of_gallery(bundle.gallery, embedded, images)
            return Subject(bundle, GALLERY, bundle.gallery, judge)
    raise ConfigError(
        f"{model.collection.folder} has no validation queries to judge a precision of the gallery "
        f"by; leave --gallery-precision out"
    )


def _asking(bundle: Bundle) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the query graphs with the fields that they take."""
    for name, entry in bundle.graphs.items():
        if entry["role"] == "query":
            yield name, fields_of(entry)


def _embedded(model: Model, fields: frozenset[str]) -> Embedded | None:
    """Return the validation task of such queries in fp32; None where there is none."""
    if (task := choosing_task(model.collection, fields)) is None:
        return None
    embedded = model.rank(task)
    assert isinstance(embedded, Embedded), "one graph takes these fields"
    return embedded


def _refuse_pair(bundle: Bundle) -> None:
    if pair_name(bundle.manifest):
        raise ConfigError(
            f"{bundle.name} re-ranks by tokens, which no precision but fp32 is judged by; leave "
            f"--precision out"
        )


def try_plain(subjects: Sequence[Subject], limits: Limits) -> Trials:
    """Return what fp32 costs in onnxruntime, by which all is judged, and is in other backends."""
    trials = _begun()
    for subject in subjects:
        path = subject.plain.graph
        for trial in trials.values():
            trial.graphs[subject.name] = {"bytes": path.stat().st_size}
            if trial.backend == ORT_CPU:
                trial.encoders[subject.name] = subject.plain
            else:
                _judge(trial, subject, path, limits)
    return trials


def try_rung(rung: str, subjects: Sequence[Subject], limits: Limits) -> Trials:
    """Make a rung's graphs in the bundle's folder, run them on each backend, and judge them.

    Raises:
        ArtefactError: one cannot be written.
    """
    trials = _begun()
    for subject in subjects:
        try:
            made = RUNGS[rung].make(onnx.load(subject.plain.graph))
        except ConfigError as error:
            for trial in trials.values():
                trial.end(REFUSED, str(error))
            continue
        path, _ = subject.paths(rung)
        write_atomically(path, made.SerializeToString())
        for trial in trials.values():
            trial.graphs[subject.name] = {"bytes": path.stat().st_size}
            _judge(trial, subject, path, limits)
    return trials


def _begun() -> Trials:
    """Return a trial for each backend of the CPU that is installed."""
    names = (ORT_CPU, OPENVINO) if has_extra(OPENVINO) else (ORT_CPU,)
    return {name: Trial(backend=name) for name in names}


def _judge(trial: Trial, subject: Subject, path: Path, limits: Limits) -> None:
    """Run a graph and judge it, as far as it runs here."""
    try:
        encoder = subject.opened(path, trial.backend)
        figures = subject.judge.figures(encoder)
    except InputError as error:
        trial.end(REFUSED, f"its embeddings cannot be compared ({error})")
    except ArtefactError as error:
        trial.end(NOT_RUN, str(error).replace(f"{path.parent}/", ""))
    else:
        trial.graphs[subject.name] |= figures
        trial.encoders[subject.name] = encoder
        if fault := fault_of(figures, limits):
            trial.end(REFUSED, fault)
