"""`cmaan` on sketches that ask for photos over several seeds, beside what needs no training.

    python benchmarks/sketch_quality.py sketchy25 sketchy25-25 --seeds 3

Each seed is trained with the second encoder beside it, which changes nothing of the towers, and
judged with it and without: by the class of the photos (task `sketch`) and by the one photo that a
sketch was drawn after (`own-photo`). Validation classes chose the rounds; the unseen ones are asked
once. Runs are kept in `runs/sketch` and not trained again; one that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from machine import describe

from zscr.data.registry import find_collection
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit, resume
from zscr.train.run import open_run

RESULTS, RUNS = Path(__file__).parent / "results", Path("runs/sketch")
METHOD, SECOND = "cmaan", "efficientnet-lite0"
ROWS: Mapping[str, Mapping[str, Any]] = {
    METHOD: {"with_second": False},
    f"{METHOD} + {SECOND}": {"with_second": True},
}
TASKS = ("sketch", "own-photo")
KEPT = ("metrics", "intervals", "sd", "difference", "differences", "chosen")  # of a report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for name in arguments.collections:
        result = measure(find_collection(name), range(7, 7 + arguments.seeds))
        path = RESULTS / f"sketch_{result['collection']}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")
        for task, rows in result["tasks"].items():
            print(f"{result['collection']}, {task}")
            for row, found in rows.items():
                print(line(row, found))


def measure(folder: Path, seeds: Sequence[int]) -> dict[str, Any]:
    """Train the seeds, and judge them and the controls on every task."""
    runs = [trained(folder, seed) for seed in seeds]
    opened = [open_run(run) for run in runs]
    result = {"benchmark": "sketches that ask for photos", "collection": folder.name}
    result |= {"seeds": [*seeds], "selection": opened[0].selection}
    result |= {"rounds": [(run.best or {})["step"] for run in opened]}
    result |= {"validation": [(run.best or {})["value"] for run in opened]}
    result |= {"cpu_seconds": [cpu_seconds(run) for run in runs]}
    result |= {"tasks": {task: judged(runs, task) for task in TASKS}}
    result["config"] = {k: v for k, v in vars(opened[0].config).items() if k != "seed"}
    return result | {"machine": describe()}


def trained(folder: Path, seed: int) -> Path:
    """Train one seed, or go on with it; what it took of a processor is kept beside it."""
    out = RUNS / f"{folder.name}-{seed}"
    settings, before = {"seed": seed, "second": SECOND}, time.process_time()
    if out.exists():
        resume(out, settings=settings)
    else:
        fit(Request(METHOD, folder, out, settings, device="cpu"))
    spent, kept = time.process_time() - before, out.with_suffix(".cpu")
    total = spent + (float(kept.read_text()) if kept.exists() else 0.0)
    kept.write_text(f"{total:.1f}\n")
    return out


def cpu_seconds(run: Path) -> float:
    return float(run.with_suffix(".cpu").read_text())


def judged(runs: Sequence[Path], task: str) -> dict[str, Any]:
    """Return the figures of both rows and of the controls, how far each row is ahead of them."""
    rows: dict[str, Any] = {}
    for row, settings in ROWS.items():
        report = evaluate_model(runs, Question(task, head_settings=settings))
        controls = report.pop("controls", {})
        rows[row] = {key: report[key] for key in KEPT if key in report}
        rows[row]["ahead"] = {
            name: {key: found[key] for key in ("difference", "differences") if key in found}
            for name, found in controls.items()
        }
        rows |= {
            name: {key: found[key] for key in KEPT if key in found and "differ" not in key}
            for name, found in controls.items()
        }
    return rows


def line(name: str, found: Mapping[str, Any]) -> str:
    """Lay a row out for the terminal."""
    figures, sd = found["metrics"], found.get("sd", {})
    shown = [one for one in ("mAP", "R@1", "R@5", "P@10") if one in figures]
    text = f"  {name:50}" + "".join(f" {one} {figures[one]:.3f}" for one in shown)
    if "mAP" in sd:
        text += f"  mAP ± {sd['mAP']:.3f}"
    for control, gain in found.get("ahead", {}).items():
        if "class codes" in control:
            low, high = gain["difference"]["interval"]
            text += f"\n      less {control}: {gain['difference']['mean']:+.3f} "
            text += f"[{low:+.3f}, {high:+.3f}]"
    return text


if __name__ == "__main__":
    main()
