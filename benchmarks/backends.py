"""A bundle's query graph in every precision, in onnxruntime and in OpenVINO, on one thread.

    python benchmarks/backends.py demo/bundles/latest

A copy of the bundle is used. Each way is judged on the validation queries as `zscr export
--precision` does, against fp32 in onnxruntime; whether it is kept is said by the default limits.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import onnx
from machine import describe

from zscr.errors import ArtefactError, InputError
from zscr.export.precision.gate import Limits, fault_of
from zscr.export.precision.rungs import RUNGS
from zscr.export.precision.timing import time_graphs
from zscr.export.precision.trial import ALONE, Subject, subjects_of
from zscr.extras import installed_version
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import Encoder
from zscr.infer.precision import PLAIN
from zscr.infer.runners.runner import OPENVINO, ORT_CPU

RESULTS = Path(__file__).parent / "results" / "backends.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, nargs="?", default=Path("bundles/latest"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    result: dict[str, Any] = {"benchmark": "query graphs by backend and precision", "graphs": {}}
    result |= {"machine": describe(), OPENVINO: installed_version(OPENVINO), "threads": 1}
    for subject in subjects_of(Bundle.open(arguments.bundle, ALONE)):
        result["graphs"][subject.name] = found = measured(subject)
        for way, figures in found.items():
            print(way, json.dumps(figures), flush=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def measured(subject: Subject) -> dict[str, dict[str, Any]]:
    """Return what each way finds and costs, by its name: `int8, openvino`."""
    with tempfile.TemporaryDirectory() as work:
        encoders, found = dict[str, Encoder](), dict[str, dict[str, Any]]()
        for precision in (PLAIN, *RUNGS):
            path = made(subject, precision, Path(work))
            for backend in (ORT_CPU, OPENVINO):
                way = f"{precision}, {backend}"
                try:
                    encoders[way] = subject.opened(path, backend)
                    found[way] = judged(subject, encoders[way])
                except (ArtefactError, InputError) as error:
                    encoders.pop(way, None)
                    found[way] = {"fault": str(error).replace(f"{path.parent}/", "")[:200]}
                found[way]["bytes"] = path.stat().st_size
        for way, spent in time_graphs(encoders, subject.judge.samples).items():
            found[way] |= spent
    return found


def made(subject: Subject, precision: str, work: Path) -> Path:
    """Write the graph in a precision, beside what feeds it."""
    path = work / f"{subject.name}.{precision}.onnx"
    model = onnx.load(subject.plain.graph)
    onnx.save(model if precision == PLAIN else RUNGS[precision].make(model), path)
    for spec in subject.plain.specs:
        if (file := spec.get("tokenizer")) and not (work / file).exists():
            (work / file).write_bytes((subject.bundle.folder / file).read_bytes())
    return path


def judged(subject: Subject, encoder: Encoder) -> dict[str, Any]:
    """Return the figures of a graph, and by which of the default limits it would be refused."""
    figures = subject.judge.figures(encoder)
    return figures | {"refused": fault_of(figures, Limits())}


if __name__ == "__main__":
    main()
