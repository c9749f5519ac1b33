"""ZSCRGAN on a collection's unseen classes over several seeds, beside its controls.

    python benchmarks/zscrgan_quality.py aviary --seeds 5
    python benchmarks/zscrgan_quality.py sketchy25 --seeds 1

Each seed trains by the collection's recipe, keeps the best weights on the validation classes and
is judged on the unseen classes once. The controls see the same frozen features. Runs are kept in
`runs/quality-<collection>-<seed>` and are not trained again.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from machine import describe

from zscr.data.sources import find_collection
from zscr.train.fit import Request, fit, resume
from zscr.train.judge import evaluate_model

RESULTS = Path(__file__).parent / "results"
FIGURES = ("Prec@1 macro", "Prec@10 macro", "Prec@50 macro", "AP@50 hits", "mAP", "Top-1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    folder = find_collection(arguments.collection)
    runs = [trained(folder, arguments.collection, seed) for seed in range(7, 7 + arguments.seeds)]
    reports = [evaluate_model(run, controls=run is runs[0]) for run in runs]
    result = summarise(reports) | {"machine": describe()}
    path = RESULTS / f"zscrgan_{folder.name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["zscrgan"], indent=1))


def trained(folder: Path, name: str, seed: int) -> Path:
    """Train one seed, or go on with it."""
    out = Path("runs") / f"quality-{name}-{seed}"
    if out.exists():
        return resume(out).folder
    return fit(Request("zscrgan", folder, out, {"seed": seed}, device="cpu")).folder


def summarise(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Return mean and standard deviation over seeds, and the controls' figures."""
    first = reports[0]
    kept = ("collection", "protocol", "split", "queries", "gallery", "classes", "chance")
    result: dict[str, Any] = {"benchmark": "zscrgan on unseen classes"}
    result |= {key: first[key] for key in kept}
    result["seeds"] = [report["seed"] for report in reports]
    result["best_steps"] = [report["best"]["step"] for report in reports]
    result["config"] = {key: v for key, v in first["config"].items() if key != "seed"}
    result["ceiling"] = {k: first["metrics"][f"Prec@{k} ceiling"] for k in (1, 10, 50)}
    result["zscrgan"] = {name: spread([r["metrics"][name] for r in reports]) for name in FIGURES}
    result["controls"] = {
        name: kept_figures(control.get("metrics", control))
        for name, control in first["controls"].items()
    }
    return result


def kept_figures(figures: dict[str, float]) -> dict[str, float]:
    """Keep the figures of the table; picture to picture, macro and micro are one figure."""
    plain = {key: figures.get(key, figures.get(key.removesuffix(" macro"))) for key in FIGURES}
    return {key: value for key, value in plain.items() if value is not None}


def spread(values: list[float]) -> dict[str, Any]:
    """Return mean, standard deviation (None for one seed) and every value."""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "sd": deviation, "values": values}


if __name__ == "__main__":
    main()
