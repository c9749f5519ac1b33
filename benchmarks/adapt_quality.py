"""`zscr adapt` on classes that were never trained on: images adapted to, and new ones of these.

    python benchmarks/adapt_quality.py sketchy25-clip sketchy25 fashion44k wiki --folds
    python benchmarks/adapt_quality.py sketchy25-clip sketchy25 fashion44k wiki

With `--folds` the classes judged on are fifths of the seen and validation classes, which are left
out of the training; all choices were made there. Without, they are the unseen classes, and the
runs (in `runs/adapt`) are trained by `zscr train`. The images of each class judged on are halved:
A is the gallery that is adapted to, without labels; B holds new images, which no E-step has seen,
compared by a plain cosine. The rivals use what they are given: all of them the gallery that they
answer from, the last ones the names as well. A seed is one of the halves, the folds and the
training. Differences are paired over classes.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from adapt_cases import Case, Embed, Values, fold_cases, only, unseen_cases
from machine import describe

from zscr.infer.bundle import GALLERY
from zscr.infer.evaluation.average_precision import average_precision
from zscr.infer.evaluation.bootstrap import group_intervals
from zscr.infer.evaluation.controls.control import unit
from zscr.infer.evaluation.ranking import rank
from zscr.infer.features.table import Split, owners
from zscr.infer.index.diffusion import diffuse
from zscr.train.heads import run_head
from zscr.train.methods.contract import Unlabelled
from zscr.train.tables import to_device

RESULTS = Path(__file__).parent / "results"
KERNEL = "kernel ridge, refitted"
SOFTENED = ", names: diffusion + inverted softmax"
FAIR = f"{SOFTENED} + feedback"
RIVALS = (KERNEL, "base run", "base run + diffusion", KERNEL + SOFTENED, KERNEL + FAIR)
Scores = dict[str, tuple[Values, Values]]  # row of the table -> each class's mAP on A and on B


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folds", action="store_true", help="of seen and validation classes")
    parser.add_argument("--rounds", type=int, help="of training [the recipe's]")
    parser.add_argument("-k", type=int, default=5, help="images a name")
    arguments = parser.parse_args()
    for name in arguments.collections:
        settings = {} if arguments.rounds is None else {"rounds": arguments.rounds}
        cases = fold_cases if arguments.folds else unseen_cases
        seeds = range(7, 7 + arguments.seeds)
        found = [pooled([*judge_all(cases(name, seed, settings), arguments.k)]) for seed in seeds]
        result = summarise(found) | {"collection": name, "seeds": [*seeds], "k": arguments.k}
        result |= {"rounds": arguments.rounds}
        result |= {"judged": "folds of seen and validation" if arguments.folds else "unseen"}
        kind = "adapt_folds" if arguments.folds else "adapt"
        text = json.dumps(result | {"machine": describe()}, indent=1) + "\n"
        (RESULTS / f"{kind}_{Path(name).name}.json").write_text(text)
        print(table(result), flush=True)


def judge_all(cases: Iterator[Case], k: int) -> Iterator[tuple[tuple[str, ...], Scores]]:
    """Yield the classes and the figures of each case."""
    for case in cases:
        yield case.a.groups, rows(case, k)


def rows(case: Case, k: int) -> Scores:
    """Judge everything on both halves."""
    found: Scores = {}
    for name, embed in {KERNEL: case.kernel, "base run": heads_of(case.method)}.items():
        found |= rivals(case, name, embed)
    whole = only_names(case, np.arange(len(case.a.groups)))
    for name, options in {
        "adapted, no names": {},
        "adapted, all names": {"names": whole},
        "adapted, all names, --complete": {"names": whole, "complete": True},
    }.items():
        found[name] = judged(case, heads_of(adapted(case, k, **options)))
    return found | half_lists(case, k)


def half_lists(case: Case, k: int) -> Scores:
    """Adapt with half of the names, and with the other half; judge listed and unlisted classes."""
    order = np.random.default_rng(len(case.fitted.groups)).permutation(len(case.a.groups))
    first = np.isin(np.arange(len(order)), order[: len(order) // 2])
    one, other = (
        judged(case, heads_of(adapted(case, k, names=only_names(case, np.flatnonzero(listed)))))
        for listed in (first, ~first)
    )
    listed, unlisted = (
        tuple(np.where(first, a, b) for a, b in zip(*pair, strict=True))
        for pair in ((one, other), (other, one))
    )
    return {"half the names, listed": listed, "half the names, unlisted": unlisted}


def adapted(case: Case, k: int, **options: Any) -> Any:
    """Adapt a copy of the method to half A."""
    method = copy.deepcopy(case.method)
    method.noise.manual_seed(case.method.config.seed)  # as a run that is loaded has it
    unlabelled = Unlabelled(case.a["image"].rows, **options)
    method.adapt(to_device(case.fitted, "cpu"), unlabelled, k=k)
    return method


def only_names(case: Case, groups: Values) -> Split[Any]:
    """Return the texts of some of the classes judged on, as the names of a list."""
    found = only(case.a, groups)
    return Split(found.groups, {"text": found["text"]})


def heads_of(method: Any) -> Embed:
    """Return what embeds a split's texts and images by a method's heads."""
    heads = method.heads()

    def embed(split: Split[Any]) -> tuple[Values, Values]:
        ports = ((heads["text"], "text"), (heads[GALLERY], "image"))
        queries, gallery = (run_head(head, [split[t].rows], "cpu") for head, t in ports)
        return queries, gallery

    return embed


def judged(case: Case, embed: Embed) -> tuple[Values, Values]:
    """Return each class's mAP by a plain cosine on A and on B."""
    parts = [(half, *embed(half)) for half in (case.a, case.b)]
    first, second = (by_class(half, asked @ gallery.T) for half, asked, gallery in parts)
    return first, second


def rivals(case: Case, name: str, embed: Embed) -> Scores:
    """Judge a model by itself and by what the gallery that it answers from adds at query time."""
    found: dict[str, list[Values]] = {}
    for half in (case.a, case.b):
        asked, gallery = embed(half)
        spans = zip(half["text"].starts[:-1], half["text"].starts[1:], strict=True)
        names = unit(np.stack([asked[a:b].mean(0) for a, b in spans]))
        like = image_features(case, half)
        spread = diffuse(gallery, like)
        softened = asked @ spread.T - np.log(np.exp(10 * names @ spread.T).sum(0)) / 10
        for row, scores in {
            "": asked @ gallery.T,
            " + feedback": feedback(asked @ gallery.T, like, 10, 0.7, 1),
            " + diffusion": asked @ spread.T,
            " + diffusion + feedback": feedback(asked @ spread.T, like, 10, 1.4, 3),
            SOFTENED: softened,
            FAIR: feedback(softened, like, 10, 1.4, 3),
        }.items():
            found.setdefault(name + row, []).append(by_class(half, scores))
    return {row: (first, second) for row, (first, second) in found.items()}


def image_features(case: Case, half: Split[Any]) -> Values:
    """Return the unit features by which the gallery's images are compared."""
    with torch.no_grad():
        rows = case.method.image_scaling(torch.from_numpy(np.array(half["image"].rows)))
    return unit(rows.numpy())


def feedback(scores: Values, like: Values, k: int, weight: float, times: int) -> Values:
    """Ask again with the mean image of each query's k best, `times` times."""
    again = scores
    for _ in range(times):
        best = np.argsort(-again, axis=1, kind="stable")[:, :k]
        again = scores + weight * (unit(like[best].mean(1)) @ like.T)
    return again


def by_class(half: Split[Any], scores: Values) -> Values:
    """Return each class's mean average precision, by scores (Q, N)."""
    asking, found = owners(half["text"]), owners(half["image"])
    precision = average_precision(found[rank(scores)] == asking[:, None])
    means: Values = np.bincount(asking, precision) / np.bincount(asking)
    return means


def pooled(parts: list[tuple[tuple[str, ...], Scores]]) -> Scores:
    """Join the classes of several folds, by name, so that those of all seeds are in one order."""
    order = np.argsort([name for groups, _ in parts for name in groups])
    return {
        row: tuple(np.concatenate([s[row][half] for _, s in parts])[order] for half in (0, 1))
        for row in parts[0][1]
    }


def summarise(found: list[Scores]) -> dict[str, Any]:
    """Average over seeds; the intervals resample classes, or with folds the classes of a seed."""
    same = len({len(next(iter(scores.values()))[0]) for scores in found}) == 1
    assert same, "each seed judges the same number of classes"
    return {
        "classes": len(found[0][KERNEL][0]),
        "rows": {row: [figures(found, row, half) for half in (0, 1)] for row in found[0]},
    }


def figures(found: list[Scores], row: str, half: int) -> dict[str, Any]:
    """Return a row's mAP on a half, its deviation over seeds, and what it is more than others'."""
    own = np.stack([scores[row][half] for scores in found])
    spread = own.mean(1).std(ddof=1) if len(own) > 1 else 0.0
    result: dict[str, Any] = {"mAP": own.mean(), "sd": spread}
    for rival in RIVALS:
        other = np.stack([scores[rival][half] for scores in found])
        paired = (own - other).mean(0)[:, None]  # of each class, over seeds
        bounds = group_intervals(paired, np.ones(len(paired)))[0]
        result[f"over {rival}"] = [float(paired.mean()), *map(float, bounds)]
    return result


def table(result: Mapping[str, Any]) -> str:
    """Lay the rows out: mAP on A and B, and the paired difference from the kernel on each."""
    lines = [f"{result['collection']}, {result['judged']}: {result['classes']} classes, mAP"]
    for row, halves in result["rows"].items():
        cells = []
        for one in halves:
            gain, low, high = one[f"over {KERNEL}"]
            change = f"{gain:+.3f} [{low:+.3f}, {high:+.3f}]"
            cells.append(f"{one['mAP']:.3f} ({one['sd']:.3f})  {change}")
        lines.append(f"{row:75} A {cells[0]}   B {cells[1]}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
