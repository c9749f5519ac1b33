"""`clip` on captions over several seeds, beside the closed forms that it must beat.

    python benchmarks/clip_quality.py flickr8k_1k fashion44k-titles --seeds 5

Each seed trains by the collection's recipe: start, settings and rounds are chosen on the validation
items. The controls see features with the same scaling, choose their own penalties on the same items
by the same figure, and are refitted where the method is: canonical correlations and ridge on
TF-IDF, and the closed form that training begins at, on the method's own features. Runs are kept in
`runs/quality` and not trained again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from machine import describe

from zscr.data.collection import read_collection
from zscr.data.registry import find_collection
from zscr.data.tasks import Task, gallery_queries, load_task, task_names
from zscr.infer.evaluation.bootstrap import bounds
from zscr.infer.evaluation.captions import (
    FIGURES,
    RECALLS,
    TEXT_TO_IMAGE,
    Direction,
    caption_figures,
    mean_captions,
    shown,
)
from zscr.infer.evaluation.controls.pairs import pair_ridge
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.features.encoded import encode_cached
from zscr.infer.features.split import load_split
from zscr.infer.features.table import Split, Table, starts_of
from zscr.train.evaluation.models import open_models
from zscr.train.fit import Request, fit, resume
from zscr.train.methods.contract import Need
from zscr.train.run import open_run
from zscr.train.sources import load_sources

RESULTS = Path(__file__).parent / "results"
METHOD, START, CCA, RIDGE = "clip", "its closed form", "TF-IDF + CCA", "TF-IDF + ridge"
OPEN = {"rounds": 0, "image_penalty": 0.0, "text_penalty": 0.0, "power": 0.0}  # all is chosen
CONTROLS: Mapping[str, Mapping[str, Any]] = {
    START: {"settings": OPEN},
    CCA: {"settings": OPEN, "text_encoder": "tfidf"},
}
Embed = Callable[[Task], Ranked]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    for name in arguments.collections:
        result = measure(find_collection(name), arguments.seeds)
        path = RESULTS / f"clip_{result['collection']}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")
        for task, rows in result["tasks"].items():
            print(f"{result['collection']}, {task}: {rows['queries']} queries, {rows['gallery']}")
            for row, found in rows["rows"].items():
                print(line(row, found))


def measure(folder: Path, seeds: int) -> dict[str, Any]:
    """Train and judge the method and its controls on every task of a collection's texts."""
    runs = [trained(folder, "", {"settings": {"seed": seed}}, seed) for seed in range(7, 7 + seeds)]
    models: dict[str, list[Embed]] = {METHOD: [embedder(run) for run in runs]}
    controls = {name: trained(folder, name, asked, 7) for name, asked in CONTROLS.items()}
    models |= {name: [embedder(run)] for name, run in controls.items()}
    ridge, chosen = ridge_of(controls[CCA])
    models[RIDGE] = [ridge]
    first, collection = open_run(runs[0]), read_collection(folder)
    names = task_names(collection)  # `text` asks all that others ask in parts
    tasks = {
        name: judged(load_task(collection, name, "unseen"), models)
        for name in names
        if name != "text" or len(names) == 1
    }
    result = {"benchmark": "clip on captions", "collection": folder.name, "tasks": tasks}
    result |= {"seeds": [7 + seed for seed in range(seeds)], "selection": first.selection}
    result |= {"rounds": [(open_run(run).best or {})["step"] for run in runs]}
    result["chosen"] = {name: dict(open_run(run).chosen) for name, run in controls.items()}
    result["chosen"][RIDGE] = dict(chosen)
    result["config"] = {k: v for k, v in vars(first.config).items() if k != "seed"}
    return result | {"machine": describe()}


def trained(folder: Path, name: str, asked: Mapping[str, Any], seed: int) -> Path:
    """Train one seed, or go on with it; a run of other settings is refused."""
    told = name.replace(" ", "-").lower()
    out = Path("runs/quality") / "-".join(filter(None, (folder.name, METHOD, told, str(seed))))
    if out.exists():
        return resume(out, settings=asked["settings"]).folder
    return fit(Request(METHOD, folder, out, device="cpu", **asked)).folder


def embedder(run: Path) -> Embed:
    [model] = open_models([run], None)
    return lambda task: model.rank(task)


def ridge_of(run: Path) -> tuple[Embed, Mapping[str, Any]]:
    """Return ridge regression on the features of a run, fitted on what the run was."""
    opened = open_run(run)
    collection, encoders = load_sources(opened)
    needs = Need("image", "item"), Need("text", "item")
    seen, val = (load_split(collection, split, needs, encoders) for split in ("seen", "val"))
    control = pair_ridge(seen, val, refit=opened.refitted)

    def embed(task: Task) -> Embedded:
        asked = {"text": list(task.queries), "image": gallery_queries(collection, task)}
        tables = {}
        for name, queries in asked.items():
            encoder = encoders[name]
            assert encoder is not None, "captions have no published vectors"
            store = collection.folder / "features"
            rows = encode_cached(store, encoder, queries, collection).rows
            ids = tuple(query.id for query in queries)
            tables[name] = Table(ids, rows, starts_of([1] * len(rows)))
        return Embedded(task, *control.embed(Split(task.gallery, tables)))

    return embed, control.chosen


def judged(task: Task, models: Mapping[str, list[Embed]]) -> dict[str, Any]:
    """Return every model's figures on one task, and how far the method is ahead of each."""
    found = {
        model: mean_captions([caption_figures(one(task), both=False) for one in embedders])
        for model, embedders in models.items()
    }
    ours, rows = found[METHOD].directions[TEXT_TO_IMAGE], {}
    for model, figures in found.items():
        one = figures.directions[TEXT_TO_IMAGE]
        rows[model] = {"figures": dict(one.metrics), "intervals": one.intervals}
        rows[model] |= {"sd": dict(one.sd)} if one.sd else {}
        if model != METHOD:
            rows[model]["difference"] = difference(ours, one)
    return {"queries": ours.queries, "gallery": ours.gallery, "chance": ours.chance, "rows": rows}


def difference(ours: Direction, control: Direction) -> dict[str, Any]:
    """Return how far the mean of the seeds is ahead in each R@k, and the 95 % interval.

    Both were resampled by the same draws of groups, so what makes a query hard for both cancels.
    """
    intervals = bounds(ours.draws - control.draws).tolist()
    return {
        name: {"mean": ours.metrics[name] - control.metrics[name], "interval": interval}
        for name, interval in zip(FIGURES, intervals, strict=True)
        if name in RECALLS
    }


def line(name: str, found: Mapping[str, Any]) -> str:
    """Lay a row out for the terminal."""
    text = f"  {name:18}" + "".join(f" {k} {shown(k, v)}" for k, v in found["figures"].items())
    if "sd" in found:
        text += f"  R@10 ± {found['sd']['R@10']:.3f}"
    if "difference" in found:
        gain = found["difference"]["R@10"]
        low, high = gain["interval"]
        text += f"  clip less it, R@10: {gain['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"
    return text


if __name__ == "__main__":
    main()
