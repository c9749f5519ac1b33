"""`pic2word` on composed queries over several seeds, beside what composes without training.

    python benchmarks/composed_quality.py fashion44k-titles sketchy25-domains --seeds 5

Each seed trains the base, a run of `clip`, and every mapper on it by the collection's recipe and
the settings below. Templates, factors and rounds are chosen on validation queries; the test's are
asked once. All rows are of the same base, and where a mapper's input is centred there are controls
whose images are centred alike. Runs are kept in `runs/composed` and not trained again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe

from zscr.data.records import Query
from zscr.data.registry import find_collection
from zscr.data.tasks import load_task
from zscr.infer.evaluation.bootstrap import bounds, resampled
from zscr.infer.evaluation.controls.control import unit
from zscr.infer.evaluation.figures import scored_values
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.features.encoded import Encoded
from zscr.train.evaluation.composed import composed_controls
from zscr.train.evaluation.model import Model
from zscr.train.evaluation.models import open_models
from zscr.train.fit import Request, fit, resume
from zscr.train.run import open_run

RESULTS = Path(__file__).parent / "results"
FIGURES = {"hit@10": "R@10", "mAP": "mAP"}
AVERAGE, ARITHMETIC = "weighted average", "text arithmetic"
CENTRED = ", image centred"
UNTRAINED_BEST = "BASIC"  # compared with average and arithmetic as the mappers are
Settings = Mapping[str, Any]
Values = np.ndarray  # (Q, 2), the figures of each query


@dataclass(frozen=True)
class Plan:
    """What is trained and asked of a collection.

    Attributes:
        base: settings of `clip`; text_encoder: of it.
        tasks: that are asked.
        mappers: row -> settings over the recipe's.
    """

    base: Settings
    tasks: Sequence[str]
    mappers: Mapping[str, Settings]
    text_encoder: str = "all-MiniLM-L6-v2"
    best: str = "text edits"


PUBLISHED = {"train_on": "images", "mapper": "im2text", "words": 1, "lr": 0.001, "rounds": 60}
PUBLISHED |= {"sentence": "a photo of *"}
LINCIR = {"train_on": "texts", "mapper": "phi", "finder": "names", "words": 1, "noise": 1.0}
LINCIR |= {"lr": 0.001, "rounds": 60}
UNTRAINED = {"mapper": "vocabulary", "words": 1, "rounds": 0}
PLANS = {
    "fashion44k-titles": Plan(
        {"dim": 384, "lr": 0.001, "dropout": 0.1, "rounds": 12, "validate_every": 2},
        ["colour"],
        {
            "vocabulary, untrained": UNTRAINED,
            "Pic2Word": PUBLISHED,
            "LinCIR": LINCIR,
            "text edits": {"words": 1},
            "text edits, 3 words": {},
        },
        best="text edits, 3 words",
    ),
    "sketchy25-domains": Plan(
        {"dim": 384, "rounds": 0},
        ["photo-to-sketch", "sketch-to-photo"],
        {
            "vocabulary, untrained": UNTRAINED,
            "vocabulary, untrained, not centred": UNTRAINED | {"centre": "none"},
            "Pic2Word": PUBLISHED | {"centre": "none"},
            "Pic2Word, centred": PUBLISHED | {"sentence": "a {} of *"},
            "images, from the vocabulary": {"train_on": "images", "rounds": 40},
            "LinCIR": LINCIR | {"centre": "none"},
            "text edits": {},
            "text edits, 3 words": {"words": 3},
        },
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="+", choices=PLANS)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    for name in arguments.collections:
        result = measure(name, range(7, 7 + arguments.seeds))
        (RESULTS / f"composed_{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        for task, found in result["tasks"].items():
            print(f"{name}, {task}: {found['queries']} queries, {found['gallery']} images")
            for row, figures in found["rows"].items():
                print(line(row, figures))


def measure(name: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Train and judge everything on a collection."""
    folder, plan = find_collection(name), PLANS[name]
    made = {seed: trained(folder, plan, seed) for seed in seeds}
    tasks = {task: judged(plan, task, list(made.values())) for task in plan.tasks}
    first = open_run(next(iter(made.values()))[plan.best])
    result = {"benchmark": "composed queries", "collection": name, "seeds": list(seeds)}
    result |= {"tasks": tasks, "best": plan.best, "selection": first.selection}
    result["trained"] = {row: [about(runs[row]) for runs in made.values()] for row in plan.mappers}
    result["config"] = {k: v for k, v in vars(first.config).items() if k != "seed"}
    return result | {"machine": describe()}


def trained(folder: Path, plan: Plan, seed: int) -> dict[str, Path]:
    """Train the base and the mappers of one seed; return the mappers' runs."""
    base = kept("clip", folder, "base", plan.base | {"seed": seed}, plan.text_encoder)
    return {
        row: kept("pic2word", folder, row, {**asked, "base": str(base), "seed": seed})
        for row, asked in plan.mappers.items()
    }


def kept(
    method: str, folder: Path, row: str, settings: Settings, text_encoder: str | None = None
) -> Path:
    """Train a run, or go on with it; one of other settings is refused."""
    words = folder.name, row.replace(",", "").replace(" ", "-"), str(settings["seed"])
    out = Path("runs/composed") / "-".join(words)
    if out.exists():
        return resume(out, "cpu", settings).folder
    encoders = {"image_encoder": "mobilenet_v2", "text_encoder": text_encoder}
    encoders = encoders if text_encoder else {}
    asked = Request(method, folder, out, settings, device="cpu", refit=False, **encoders)
    return fit(asked).folder


def about(folder: Path) -> dict[str, Any]:
    """Return which round was chosen, and the seconds until the last."""
    run = open_run(folder)
    rows = [json.loads(one) for one in run.log.read_text("utf-8").splitlines()]
    assert run.best is not None, "queries select"
    return {"round": run.best["step"], "seconds": rows[-1].get("seconds", 0.0)}


def judged(plan: Plan, name: str, seeds: Sequence[Mapping[str, Path]]) -> dict[str, Any]:
    """Return every row's figures on one task: the mean of the seeds, and differences."""
    found: dict[str, list[Values]] = {}
    chosen: dict[str, Any] = {}
    for runs in seeds:
        for row, ranked, said in ranked_rows(plan, name, runs):
            found.setdefault(row, []).append(values_of(ranked))
            chosen.setdefault(row, []).append(said)
            task = ranked.task
    groups = np.unique(task.groups, return_inverse=True)[1]
    draws = drawn(groups)
    means = {row: np.mean(values, 0) for row, values in found.items()}
    rows = {row: figures(values, draws) for row, values in means.items()}
    for row, values in found.items():
        rows[row]["sd"] = np.std([v.mean(0) for v in values], 0, ddof=len(values) > 1).tolist()
        rows[row]["chosen"] = chosen[row]
    for row in [row for row in means if row in plan.mappers or row.startswith(UNTRAINED_BEST)]:
        others = [other for other in means if other.startswith((AVERAGE, ARITHMETIC))]
        less = {other: figures(means[row] - means[other], draws) for other in others}
        rows[row]["less"] = less
    about = {"queries": len(task.queries), "gallery": len(task.gallery)}
    return about | {"groups": int(groups.max()) + 1, "rows": rows}


def ranked_rows(
    plan: Plan, name: str, runs: Mapping[str, Path]
) -> Iterator[tuple[str, Ranked, Mapping[str, Any]]]:
    """Yield what each control and each mapper ranks, with what chose its numbers."""
    models = {row: open_models([run], None)[0] for row, run in runs.items()}
    first = models[plan.best]
    task = load_task(first.collection, name, "unseen")
    yield from composed_controls(first, task)
    if centre := centre_of(runs[plan.best]):
        for row, ranked, said in composed_controls(centred(first, centre), task):
            if row.startswith((AVERAGE, ARITHMETIC, "BASIC")):
                yield row + CENTRED, ranked, said
    for row, model in models.items():
        yield row, model.rank(load_task(model.collection, name, "unseen")), {}


def centre_of(run: Path) -> torch.nn.Module | None:
    """Return what a mapper's input is centred by; None where it is not."""
    method: Any = open_run(run).load_model()
    return method.mapped.centre if open_run(run).config.centre == "domain" else None


def centred(model: Model, centre: torch.nn.Module) -> Model:
    """Return a model whose query images are less the mean of their domain, as a mapper's are."""

    def encode(queries: Sequence[Query]) -> Encoded:
        found = model.encode(queries)
        if queries[0].fields != {"image"}:
            return found
        with torch.no_grad():
            return replace(found, rows=unit(centre(torch.from_numpy(found.rows)).numpy()))

    return replace(model, encode=encode)


def values_of(ranked: Ranked) -> Values:
    """Return the figures of each query (Q, 2)."""
    task = ranked.task
    asked = {"names": [*FIGURES.values()], "zeros": task.zeros}
    found = scored_values(ranked.scorer, task.relevance, **asked)
    return np.stack([found[name] for name in FIGURES.values()], 1)


def drawn(groups: np.ndarray) -> np.ndarray:
    """Return (B, Q) how often each draw of groups holds each query."""
    return resampled(int(groups.max()) + 1)[:, groups]


def figures(values: Values, draws: np.ndarray) -> dict[str, Any]:
    """Return means over queries with their 95 % intervals over groups."""
    intervals = bounds(draws @ values / draws.sum(1, keepdims=True)).tolist()
    means = values.mean(0).tolist()
    return {
        name: {"mean": mean, "interval": interval}
        for name, mean, interval in zip(FIGURES, means, intervals, strict=True)
    }


def line(name: str, found: Mapping[str, Any]) -> str:
    """Lay a row out for the terminal."""
    shown = f"  {name:42}"
    for figure in FIGURES:
        low, high = found[figure]["interval"]
        shown += f" {figure} {found[figure]['mean']:.3f} [{low:.3f}, {high:.3f}]"
    for other, less in found.get("less", {}).items():
        low, high = less["mAP"]["interval"]
        shown += f"\n    less {other}: mAP {less['mAP']['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"
        low, high = less["hit@10"]["interval"]
        shown += f" hit@10 {less['hit@10']['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"
    return shown


if __name__ == "__main__":
    main()
