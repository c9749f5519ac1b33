"""The paper's ablations and its two curves, on a collection's validation and unseen classes.

    python benchmarks/zscrgan_ablation.py sketchy25 --rounds 60

Every variant trains `zscrgan-reference` by the collection's recipe and one seed, without the
released bugs. Curves are Prec@50 on the validation classes over rounds: EM against joint training,
and the choice of the wrong class (paper's slides 17 and 19). The table is of the unseen classes,
by the weights that were best on validation. Writes `results/zscrgan_ablation.json` and `.svg`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from machine import describe

from zscr.data.registry import find_collection
from zscr.train.evaluation.evaluate import evaluate_model
from zscr.train.fit import Request, fit, resume

RESULTS = Path(__file__).parent / "results"
FIGURE = "Prec@50 macro"
VARIANTS: dict[str, dict[str, Any]] = {
    "full": {},
    "joint training": {"joint": True},
    "no wrong class": {"wrong_class": "none"},
    "no regulariser": {"mm_reg_coeff": 0.0},
    "no triplet": {"triplet": False},
    "no regulariser, no triplet": {"mm_reg_coeff": 0.0, "triplet": False},
    "no GAN": {"adversarial": False},
    "wrong class at random": {"wrong_class": "random"},
    "wrong class nearest": {"wrong_class": "nearest"},
}
CURVES = {
    "EM and joint training": ("full", "joint training"),
    "Choice of the wrong class": ("full", "wrong class at random", "wrong class nearest"),
}
LABELS = {"full": "EM, previous row"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    folder = find_collection(arguments.collection)
    common = {"rounds": arguments.rounds, "validate_every": 2, "seed": arguments.seed}
    runs = {name: trained(folder, name, common | own) for name, own in VARIANTS.items()}
    result = summarise(runs) | {"seed": arguments.seed, "rounds": arguments.rounds}
    result["machine"] = describe()
    (RESULTS / "zscrgan_ablation.json").write_text(json.dumps(result, indent=1) + "\n")
    draw(result, RESULTS / "zscrgan_ablation.svg")
    for name, figures in result["unseen"].items():
        print(f"{name:28} Prec@50 {figures[FIGURE]:.3f} mAP {figures['mAP']:.3f}")


def trained(folder: Path, variant: str, settings: dict[str, Any]) -> Path:
    """Train a variant, or go on with it."""
    out = Path("runs/ablation") / f"{folder.name}-{variant.replace(', ', '-').replace(' ', '-')}"
    if out.exists():
        return resume(out).folder
    request = Request("zscrgan-reference", folder, out, settings, device="cpu")
    return fit(request).folder


def summarise(runs: dict[str, Path]) -> dict[str, Any]:
    """Return each variant's curve on the validation classes and its figures on the unseen ones."""
    reports = {name: evaluate_model(run) for name, run in runs.items()}
    first = reports["full"]
    return {
        "benchmark": "ablations of zscrgan-reference",
        "collection": first["collection"],
        "protocol": first["protocol"],
        "selection": first["selection"],
        "config": first["config"],
        "curves": {name: curve(run) for name, run in runs.items()},
        "unseen": {
            name: {key: report["metrics"][key] for key in (FIGURE, "Prec@10 macro", "mAP")}
            for name, report in reports.items()
        },
    }


def curve(run: Path) -> dict[str, list[float]]:
    """Read the rounds that were validated and their figure from a run's log."""
    entries = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    looked = [entry for entry in entries if "val" in entry]
    return {
        "rounds": [entry["round"] for entry in looked],
        FIGURE: [entry["val"][FIGURE] for entry in looked],
    }


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw the two curves side by side."""
    plt.rcParams["svg.hashsalt"] = "zscr"  # the same figures give the same file
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
    styles = ("-o", "--s", ":^")
    for axis, (title, names) in zip(axes, CURVES.items(), strict=True):
        for style, name in zip(styles, names, strict=False):
            line = result["curves"][name]
            label = LABELS.get(name, name)
            axis.plot(line["rounds"], line[FIGURE], style, label=label, markersize=3)
        axis.set(title=title, xlabel="rounds of E and M steps")
        axis.grid(alpha=0.3)
        axis.legend()
    axes[0].set_ylabel("Prec@50, validation classes")
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
