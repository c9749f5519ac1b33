"""`zscrgan` and `zscrgan-reference` on unseen classes over several seeds, beside the controls.

    python benchmarks/zscrgan_quality.py aviary sketchy25-clip --seeds 5

Each seed trains by the collection's recipe, keeps the best weights on the validation classes and
is judged on the unseen classes once. The controls see the same frozen features and choose on the
same validation classes. The reference runs without its bugs (no zero rows, honest selection); its
rounds are the recipe's or those given, fewer than published. Runs are kept in `runs/quality` and
not trained again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from machine import describe

from zscr.data.registry import find_collection
from zscr.infer.evaluation.page import chosen
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit, resume

RESULTS = Path(__file__).parent / "results"
METHODS = ("zscrgan", "zscrgan-reference")
FIGURES = ("Prec@1 macro", "Prec@10 macro", "Prec@50 macro", "AP@50 hits", "mAP", "Top-1")
ABOUT = ("collection", "protocol", "split", "queries", "gallery", "groups", "chance")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--reference-seeds", type=int, default=5)
    parser.add_argument("--reference-rounds", type=int, help="[the recipe's]")
    arguments = parser.parse_args()
    seeds = dict(zip(METHODS, (arguments.seeds, arguments.reference_seeds), strict=True))
    rounds = arguments.reference_rounds
    settings = dict(zip(METHODS, ({}, {"rounds": rounds} if rounds else {}), strict=True))
    for name in arguments.collections:
        result = measure(name, seeds, settings)
        path = RESULTS / f"zscrgan_{result['collection']}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")
        found = {**result["methods"], "ridge": {"mean": result["controls"]["ridge"]}}
        lines = {method: round(figures["mean"]["mAP"], 4) for method, figures in found.items()}
        print(result["collection"], "mAP on unseen classes:", lines)


def measure(
    name: str, seeds: dict[str, int], settings: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Train and judge both methods on a collection."""
    folder = find_collection(name)
    reports = {}
    for method in METHODS:
        numbers = range(7, 7 + seeds[method])
        runs = [trained(folder, method, {"seed": seed} | settings[method]) for seed in numbers]
        question = Question(controls=method == METHODS[0], generalised=True)
        reports[method] = evaluate_model(runs, question)
    return summarise(reports) | {"machine": describe()}


def trained(folder: Path, method: str, settings: dict[str, Any]) -> Path:
    """Train one seed, or go on with it; a run of other settings is refused."""
    out = Path("runs/quality") / f"{folder.name}-{method}-{settings['seed']}"
    if out.exists():
        return resume(out, settings=settings).folder
    request = Request(method, folder, out, settings, device="cpu")
    return fit(request).folder


def summarise(reports: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Keep what the tables show: means, deviations and intervals of each method, each control."""
    first = reports[METHODS[0]]
    result: dict[str, Any] = {"benchmark": "zscrgan on unseen classes"}
    result |= {key: first[key] for key in ABOUT}
    result["ceiling"] = {k: first["metrics"][f"Prec@{k} ceiling"] for k in (1, 10, 50)}
    result["methods"] = {method: one_method(report) for method, report in reports.items()}
    result["controls"] = {
        name: kept(control.get("metrics", control)) | {"chosen": chosen(control)}
        for name, control in first["controls"].items()
    }
    return result


def one_method(report: dict[str, Any]) -> dict[str, Any]:
    """Return a method's figures over its seeds, what selected them and what it was trained with."""
    runs = [one["metrics"]["mAP"] for one in report.get("runs", [report])]
    generalised = report["generalised"]
    return {
        "mean": kept(report["metrics"]),
        "sd": kept(report.get("sd", {})),
        "intervals": {
            key: report["intervals"][key] for key in FIGURES if key in report["intervals"]
        },
        "seeds": report["seeds"],
        "mAP of each seed": runs,
        "generalised": {
            "unseen": kept(generalised["unseen"]["metrics"]),
            "harmonic": kept(generalised["harmonic"]["metrics"]),
        },
        "selection": report["selection"],
        "config": {key: value for key, value in report["config"].items() if key != "seed"},
    }


def kept(figures: dict[str, float]) -> dict[str, float]:
    """Keep the figures of the table; image to image, macro and micro are one figure."""
    plain = {key: figures.get(key, figures.get(key.removesuffix(" macro"))) for key in FIGURES}
    return {key: value for key, value in plain.items() if value is not None}


if __name__ == "__main__":
    main()
