"""Methods on sketches that ask for photos over several seeds, beside what needs no training.

    python benchmarks/sketch_quality.py sketchy25 sketchy25-25 --seeds 3
    python benchmarks/sketch_quality.py sketchy25 --only zse

`cmaan` is trained with the second encoder beside it, which changes nothing of the towers, and
judged with it and without, and so is it with the photos' tower frozen; `cmaan, as specified` is the
recipe of that name, `zse` the ancestor. Each is judged by the class of the photos (task `sketch`)
and by the one photo that a sketch was drawn after (`own-photo`). Validation classes chose the
rounds; the unseen ones are asked once. Runs are kept in `runs/sketch` and not trained again; one
that was stopped goes on. `--only` measures some of the models, beside what the result holds
already.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import describe

from zscr.data.registry import find_collection
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit, resume
from zscr.train.run import open_run

RESULTS, RUNS = Path(__file__).parent / "results", Path("runs/sketch")
SECOND = "efficientnet-lite0"


@dataclass(frozen=True)
class Model:
    """What is trained, and the rows of the table that it is judged in: name -> head settings."""

    method: str
    rows: Mapping[str, Mapping[str, Any]]
    recipe: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def with_second(name: str, **settings: Any) -> Model:
    """Return `cmaan` by some settings, judged with the second encoder and without."""
    rows = {name: {"with_second": False}, f"{name} + {SECOND}": {"with_second": True}}
    return Model("cmaan", rows, settings={"second": SECOND, **settings})


MODELS = {
    "cmaan": with_second("cmaan"),
    "photos-frozen": with_second("cmaan, photos frozen", image="frozen"),
    "as-specified": Model("cmaan", {"cmaan, as specified": {}}, "as-specified"),
    "zse": Model("zse", {"zse": {}}),
}
TASKS = ("sketch", "own-photo")
KEPT = ("metrics", "intervals", "sd", "difference", "differences", "chosen")  # of a report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=MODELS, default=[*MODELS])
    arguments = parser.parse_args()
    for name in arguments.collections:
        folder = find_collection(name)
        path = RESULTS / f"sketch_{folder.name}.json"
        result: dict[str, Any] = {"benchmark": "sketches that ask for photos", "models": {}}
        result |= {"collection": folder.name, "tasks": {task: {} for task in TASKS}}
        if path.exists():
            result = json.loads(path.read_text("utf-8"))
        for model in arguments.only:
            add(result, model, folder, range(7, 7 + arguments.seeds))
            path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
        for task, rows in result["tasks"].items():
            print(f"{folder.name}, {task}")
            for row, found in rows.items():
                print(line(row, found))


def add(result: dict[str, Any], name: str, folder: Path, seeds: Sequence[int]) -> None:
    """Train a model's seeds, and judge them and the controls on every task."""
    runs = [trained(name, folder, seed) for seed in seeds]
    opened = [open_run(run) for run in runs]
    about: dict[str, Any] = {"seeds": [*seeds], "selection": opened[0].selection}
    about |= {"rounds": [(run.best or {})["step"] for run in opened]}
    about |= {"validation": [(run.best or {})["value"] for run in opened]}
    about |= {"cpu_seconds": [cpu_seconds(run) for run in runs]}
    about["config"] = {k: v for k, v in vars(opened[0].config).items() if k != "seed"}
    result["models"][name] = about | {"machine": describe()}
    for task in TASKS:
        result["tasks"][task] |= judged(MODELS[name], runs, task)


def trained(name: str, folder: Path, seed: int) -> Path:
    """Train one seed, or go on with it; what it took of a processor is kept beside it."""
    model, out = MODELS[name], RUNS / f"{folder.name}-{name}-{seed}"
    settings, before = {"seed": seed, **model.settings}, time.process_time()
    if out.exists():
        resume(out, settings=settings)
    else:
        fit(Request(model.method, folder, out, settings, device="cpu", recipe=model.recipe))
    spent, kept = time.process_time() - before, out.with_suffix(".cpu")
    total = spent + (float(kept.read_text()) if kept.exists() else 0.0)
    kept.write_text(f"{total:.1f}\n")
    return out


def cpu_seconds(run: Path) -> float:
    return float(run.with_suffix(".cpu").read_text())


def judged(model: Model, runs: Sequence[Path], task: str) -> dict[str, Any]:
    """Return the figures of a model's rows and of the controls, how far each row is ahead."""
    rows: dict[str, Any] = {}
    for row, settings in model.rows.items():
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
