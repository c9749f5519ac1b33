"""`zscrgan-reference` at the paper's rounds on unseen classes, with and without a wrong class.

    python benchmarks/zscrgan_reference.py sketchy25-clip wiki --seeds 3

Every variant and seed trains by the collection's recipe, without the released bugs, and keeps the
weights that are best on the validation classes, on which every round is judged. These
are judged on the unseen classes once: by CSEM, as published, and by the raw imagined feature's
cosine to the real ones. What the wrong-class term makes of the features stands beside it (see
caricature.py). Runs are kept in `--runs`, as `<collection>-<full|nowrong>-<seed>`, gone on with
where they were stopped, and not trained again.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from caricature import imagined, minimisers
from machine import describe

from zscr.data.registry import find_collection
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit, resume

RESULTS = Path(__file__).parent / "results"
METHOD = "zscrgan-reference"
VARIANTS: dict[str, dict[str, Any]] = {"full": {}, "nowrong": {"wrong_class": "none"}}
SPACES: dict[str, dict[str, Any]] = {"CSEM": {}, "raw feature": {"raw_feature": True}}
FIGURES = ("mAP", "Prec@10 macro", "Prec@50 macro")
ABOUT = ("collection", "protocol", "queries", "gallery", "groups", "selection")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ablation-seeds", type=int, help="of `nowrong` [as many]")
    parser.add_argument("--rounds", type=int, default=600)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs")
    arguments = parser.parse_args()
    without = arguments.seeds if arguments.ablation_seeds is None else arguments.ablation_seeds
    seeds = dict(zip(VARIANTS, (arguments.seeds, without), strict=True))
    for name in arguments.collections:
        folder = find_collection(name)
        runs = {
            variant: [
                trained(folder, variant, arguments.rounds, 7 + number, arguments.runs)
                for number in range(count)
            ]
            for variant, count in seeds.items()
        }
        result = measure({variant: found for variant, found in runs.items() if found})
        result |= {"rounds": arguments.rounds, "machine": describe()}
        path = RESULTS / f"zscrgan_reference_{result['collection']}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")
        print("\n".join(lines(result)))


def trained(folder: Path, variant: str, rounds: int, seed: int, runs: Path) -> Path:
    """Train a variant, or go on with it; a run of other settings is refused."""
    settings = {"rounds": rounds, "seed": seed} | VARIANTS[variant]
    out = runs / f"{folder.name}-{variant}-{seed}"
    if out.exists():
        return resume(out, "cpu", settings).folder
    return fit(Request(METHOD, folder, out, settings, device="cpu")).folder


def measure(runs: dict[str, list[Path]]) -> dict[str, Any]:
    """Judge every variant in both spaces, and count the extremes of what it imagines."""
    first = runs["full"][0]
    report = evaluate_model(first)
    result: dict[str, Any] = {"benchmark": f"{METHOD} at the paper's rounds"}
    result |= {key: report[key] for key in ABOUT}
    result["config"] = {key: value for key, value in report["config"].items() if key != "seed"}
    result["variants"] = {name: one_variant(found) for name, found in runs.items()}
    return result | {"minimisers": minimisers(first)}


def one_variant(runs: list[Path]) -> dict[str, Any]:
    reports = {
        space: [evaluate_model(run, Question(head_settings=settings)) for run in runs]
        for space, settings in SPACES.items()
    }
    of_runs = reports["CSEM"]
    found: dict[str, Any] = {space: figures(each) for space, each in reports.items()}
    return found | {
        "seeds": [report["seeds"][0] for report in of_runs],
        "best round": [report["best"]["step"] for report in of_runs],
        "imagined": [imagined(run) for run in runs],
    }


def figures(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Return each figure's mean, its deviation and its values over the seeds."""
    values = {name: [report["metrics"][name] for report in reports] for name in FIGURES}
    return {
        name: {
            "mean": statistics.mean(each),
            "sd": statistics.stdev(each) if len(each) > 1 else None,
            "seeds": each,
        }
        for name, each in values.items()
    }


def lines(result: dict[str, Any]) -> list[str]:
    """Return a line a variant and space."""
    return [
        f"{result['collection']:16} {variant:8} {space:12} "
        + " ".join(f"{name} {found[space][name]['mean']:.3f}" for name in FIGURES)
        for variant, found in result["variants"].items()
        for space in SPACES
    ]


if __name__ == "__main__":
    main()
