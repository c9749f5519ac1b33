"""One rung tried on the query graphs of a bundle: made, run, judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx

from zscr.errors import ArtefactError, ConfigError, InputError
from zscr.export.precision.gate import Judge, Limits, fault_of
from zscr.export.precision.rungs import PLAIN, RUNGS
from zscr.extras import has_extra
from zscr.infer.bundle import Bundle, spoken
from zscr.infer.bundle_manifest import fields_of, pair_name
from zscr.infer.encoder import Encoder
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.runners.runner import OPENVINO, ORT_CPU, Runtime
from zscr.partial import write_atomically
from zscr.train.evaluation.bundle_model import open_bundle_model
from zscr.train.evaluation.reranking import choosing_task

KEPT, REFUSED, NOT_RUN = "kept", "refused", "built, not run"
ALONE = Runtime(threads=1, precision=PLAIN)


@dataclass(frozen=True)
class Subject:
    """A query graph in fp32, and what judges it in other precisions."""

    bundle: Bundle
    name: str
    plain: Encoder
    judge: Judge

    def path(self, rung: str) -> Path:
        """Return where it is in a precision."""
        return self.bundle.folder / f"{self.name}.{rung}.onnx"

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
    """What came of one rung.

    Attributes:
        status: KEPT, REFUSED or NOT_RUN; why: it is not kept.
        backend: that it ran on; graphs: of each query graph, its figures; encoders: those that ran.
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


def subjects_of(bundle: Bundle) -> list[Subject]:
    """Return the query graphs of a bundle, each with validation queries of its own.

    Raises:
        ConfigError: there is none, one of them has no such queries, or the bundle re-ranks: what
            other tokens would do to that is not judged.
    """
    if pair_name(bundle.manifest):
        raise ConfigError(
            f"{bundle.name} re-ranks by tokens, which no precision but fp32 is judged by; leave "
            f"--precision out"
        )
    model, found = open_bundle_model(bundle.folder, runtime=ALONE), list[Subject]()
    for name, entry in bundle.graphs.items():
        if entry["role"] != "query":
            continue
        fields = fields_of(entry)
        task = choosing_task(model.collection, fields)
        if task is None:
            raise ConfigError(
                f"{model.collection.folder} has no validation queries of {spoken(fields)} to judge "
                f"a precision of '{name}' by; leave --precision out"
            )
        embedded = model.rank(task)
        assert isinstance(embedded, Embedded), "one graph takes these fields"
        plain = bundle.graph(name)
        found.append(Subject(bundle, name, plain, Judge(plain, embedded)))
    if not found:
        raise ConfigError(f"{bundle.name} has no graph of queries alone; leave --precision out")
    return found


def try_rung(rung: str, subjects: Sequence[Subject], limits: Limits) -> Trial:
    """Make a rung's graphs in the bundle's folder, run them, and judge them.

    Raises:
        ArtefactError: one cannot be written.
    """
    trial = Trial()
    for subject in subjects:
        try:
            made = RUNGS[rung].make(onnx.load(subject.plain.graph))
        except ConfigError as error:
            trial.end(REFUSED, str(error))
            continue
        path = subject.path(rung)
        write_atomically(path, made.SerializeToString())  # one may be there, and in use
        trial.graphs[subject.name] = {"bytes": path.stat().st_size}
        _judge(trial, subject, path, limits)
    return trial


def _judge(trial: Trial, subject: Subject, path: Path, limits: Limits) -> None:
    """Run a graph and judge it, as far as it runs here."""
    try:
        encoder = _opened(trial, subject, path)
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


def _opened(trial: Trial, subject: Subject, path: Path) -> Encoder:
    """Open a graph in onnxruntime; where that cannot run the trial's first, all in OpenVINO."""
    try:
        return subject.opened(path, trial.backend)
    except ArtefactError:
        if trial.encoders or not has_extra(OPENVINO):
            raise
        trial.backend = OPENVINO
        return subject.opened(path, trial.backend)
