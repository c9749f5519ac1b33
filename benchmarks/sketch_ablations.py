"""`cmaan` by default and as specified, what is left out or added, and its two weights over a range.

    python benchmarks/sketch_ablations.py sketchy25 --part default
    python benchmarks/sketch_ablations.py sketchy25 --part as-specified
    python benchmarks/sketch_ablations.py sketchy25 --part curves --seeds 7

Every variant is a run of `cmaan` by its default, or by the recipe `as-specified` (curves, too), and
the settings below, without a refit; the rounds are chosen on the validation classes, where the
start is a candidate. The unseen classes are asked once a run. What the last round comes to on
validation classes stands beside it: where no training beats the start, it alone tells the variants
apart. Curves are of the last round, over the weights of triplets and of relations. Runs are kept in
`runs/ablations` and not trained again; each that is done is written to
`results/sketch_ablations_<collection>.json`, from which the curves are drawn.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from machine import describe

from zscr.data.registry import find_collection
from zscr.infer.features.split import load_split
from zscr.train.fit import Request, fit, resume
from zscr.train.heads import judge
from zscr.train.methods.contract import Method
from zscr.train.run import Run
from zscr.train.sources import load_sources

RESULTS = Path(__file__).parent / "results"
FIGURES = ("mAP", "P@100")
Settings = Mapping[str, Any]
LARGER = {"lr": 3e-4, "head_lr": 1e-4}
SPECIFIED = "as-specified"
DEFAULT: dict[str, Settings] = {
    "default": {},
    "no edge maps": {"edges": 0.0},
    "half edge maps": {"edges": 0.5},
    "no views": {"views": False},
    "no closed-form start": {"closed_form": False},
    "contrast alone": {"proxies": 0.0},
    "proxies alone": {"contrast": 0.0},
    "a tower for each": {"image": "upper"},
    "photo tower frozen": {"image": "frozen"},
    "texts by a term of their own": {"described": 1.0, "texts": "collection"},
    "triplets and relations": {"lambda_tri": 1.0, "lambda_rn": 1.0},
    "triplets and relations, with texts": {"lambda_tri": 1.0, "lambda_rn": 1.0}
    | {"texts": "collection"},
}
AS_SPECIFIED: dict[str, Settings] = {
    "full": {},
    "no text": {"texts": "none"},
    "class name only": {"texts": "names"},
    "1 prompt": {"prompts": 1},
    "2 prompts": {"prompts": 2},
    "the collection's texts": {"texts": "collection"},
    "own text": {"text_pairing": "own"},
    "L_tri only": {"lambda_rn": 0.0},
    "L_rn only": {"lambda_tri": 0.0},
    "shared tower": {"image": "shared"},
    "no closed-form start": {"closed_form": False},
    "relations before fusion, too": {"rn_pre": True},
    "cosine triplets": {"distance": "cosine", "margin": 0.3},
    "larger steps": LARGER,
    "larger steps, no text": {**LARGER, "texts": "none"},
    "sketch tower fine-tuned": {"sketch": "upper", "image": "frozen"},
    "full, and contrast": {"contrast": 1.0, "proxies": 1.0},
    "contrast alone": {"contrast": 1.0, "proxies": 1.0, "lambda_tri": 0.0, "lambda_rn": 0.0}
    | {"texts": "none"},
}
TABLES = {"default": DEFAULT, SPECIFIED: AS_SPECIFIED}
CURVES: dict[str, tuple[float, ...]] = {
    "lambda_tri": (0.0, 0.5, 1.0, 2.0, 4.0, 8.0),
    "lambda_rn": (0.0, 1.0, 2.0, 4.0, 8.0, 16.0),
}
LABELS = {"lambda_tri": "weight of the triplets", "lambda_rn": "weight of the relation network"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection")
    parser.add_argument("--part", choices=(*TABLES, "curves"), default="default")
    parser.add_argument("--only", nargs="+", help="Names of variants.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    arguments = parser.parse_args()
    if unknown := {*(arguments.only or ())} - {*TABLES.get(arguments.part, ())}:
        parser.error(f"there is no variant {sorted(unknown)[0]!r} of part {arguments.part}")
    folder = find_collection(arguments.collection)
    done = Done(RESULTS / f"sketch_ablations_{folder.name}.json", folder)
    for seed in arguments.seeds:
        if table := TABLES.get(arguments.part):
            for name in arguments.only or table:
                done.add(arguments.part, name, table[name], seed, ("val", "unseen"))
        else:
            for key, weights in CURVES.items():
                for weight in weights:
                    done.add(key, f"{weight:g}", {key: weight}, seed, ("val",))
    if all(done.found.get(key) for key in CURVES):
        draw(done.found, done.path.with_suffix(".svg"))


class Done:
    """What is measured, which grows by a run at a time."""

    def __init__(self, path: Path, collection: Path) -> None:
        self.path, self.collection = path, collection
        self.found: dict[str, Any] = {"benchmark": "ablations of cmaan"}
        if path.exists():
            self.found = json.loads(path.read_text("utf-8"))

    def add(
        self, part: str, name: str, settings: Settings, seed: int, splits: tuple[str, ...]
    ) -> None:
        """Measure a run, unless it is done, and write it."""
        rows = self.found.setdefault(part, {}).setdefault(name, {})
        if str(seed) in rows:
            return
        recipe = None if part == "default" else SPECIFIED
        run = trained(self.collection, recipe, dict(settings) | {"seed": seed})
        assert run.best is not None, "the start is a candidate"
        rows[str(seed)] = {"round": run.best["step"]}
        rows[str(seed)] |= figures(run, run.load_selected(), splits)
        last = run.new_method("cpu")
        run.load_checkpoint(last)
        rows[str(seed)]["last"] = figures(run, last, ("val",))["val"]
        print(part, name, seed, rows[str(seed)], flush=True)
        self.found |= {"collection": self.collection.name, "machine": describe()}
        self.path.write_text(json.dumps(self.found, indent=1) + "\n", "utf-8")


def trained(collection: Path, recipe: str | None, settings: dict[str, Any]) -> Run:
    """Train a run by a recipe and these settings, or go on with it."""
    told = "-".join([recipe or "default", *(f"{key}={value}" for key, value in settings.items())])
    out = Path("runs/ablations") / f"{collection.name}-{told}"
    if out.exists():
        return resume(out)
    request = Request("cmaan", collection, out, settings, device="cpu")
    return fit(Request(**vars(request) | {"refit": False, "recipe": recipe}))


def figures(run: Run, method: Method, splits: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return the figures of a run's weights by split."""
    collection, encoders = load_sources(run, None)
    ports = {port.name for head in method.heads().values() for port in head.ports}
    needs = [need for need in run.needs if need.table in ports]
    found = {}
    for name in splits:
        embedded = judge(method, load_split(collection, name, needs, encoders), name, FIGURES[0])
        found[name] = {figure: round(embedded.figure(figure), 4) for figure in FIGURES}
    return found


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw mAP and P@100 of the last round over each weight, means over seeds."""
    plt.rcParams["svg.hashsalt"] = "zscr"  # the same figures give the same file
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
    for axis, (key, label) in zip(axes, LABELS.items(), strict=True):
        points = sorted((float(weight), rows) for weight, rows in found[key].items())
        for style, name in zip(("-o", "--s"), FIGURES, strict=True):
            means = [
                sum(one["last"][name] for one in rows.values()) / len(rows) for _, rows in points
            ]
            axis.plot(range(len(points)), means, style, label=name, markersize=4)
        axis.set_xticks(range(len(points)), [f"{weight:g}" for weight, _ in points])
        axis.set(xlabel=label)
        axis.grid(alpha=0.3)
        axis.legend()
    axes[0].set_ylabel("validation classes, last round")
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
