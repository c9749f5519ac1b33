"""The tables of `sketch_ablations.py`'s and `text_leak.py`'s results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from markdown import head, row, with_spread

SHOWN = (("val", "mAP"), ("val", "P@100"), ("unseen", "mAP"), ("unseen", "P@100"))
CALLED = {"val": "validation", "unseen": "unseen"}
BASE = "full"


def ablations_table(results: Sequence[Mapping[str, Any]]) -> str:
    """A table a collection: a row a variant, and how far it is from the whole method."""
    return "\n\n".join(one_table(result) for result in results if result.get("rows"))


def one_table(result: Mapping[str, Any]) -> str:
    columns = [f"{CALLED[split]} {figure}" for split, figure in SHOWN]
    columns += ["less full, validation mAP", "seeds", "rounds chosen"]
    lines = head(f"`{result['collection']}`", columns)
    base = result["rows"].get(BASE, {})
    for name, runs in result["rows"].items():
        cells = [spread([one[split][figure] for one in runs.values()]) for split, figure in SHOWN]
        lines.append(row(name, [*cells, paired(runs, base), str(len(runs)), chosen(runs)]))
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """Return the mean, with the deviation over seeds where there are several."""
    return with_spread(mean(values), stdev(values) if len(values) > 1 else None)


def paired(runs: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """Return how far runs are from the base's by the same seeds."""
    gaps = [
        one["val"]["mAP"] - base[seed]["val"]["mAP"] for seed, one in runs.items() if seed in base
    ]
    if not gaps or runs is base:
        return ""
    return f"{mean(gaps):+.3f}" + (f" ± {stdev(gaps):.3f}" if len(gaps) > 1 else "")


def chosen(runs: Mapping[str, Any]) -> str:
    """Return the rounds that the validation classes chose; 0 is the start."""
    return ", ".join(str(one["round"]) for one in runs.values())


def leak_table(results: Sequence[Mapping[str, Any]]) -> str:
    """A row a pairing: the losses behind the attention at first and at last, on noise."""
    return "\n\n".join(one_leak(result) for result in results)


def one_leak(result: Mapping[str, Any]) -> str:
    lines = head(f"`{result['collection']}`, noise", ["triplets", "relations", "seeds"])
    for pairing in ("anchor", "own"):
        runs = result[pairing]
        cells = [
            " → ".join(
                f"{mean(ends):.2f}" for ends in zip(*(run[name] for run in runs), strict=True)
            )
            for name in ("tri", "rn")
        ]
        lines.append(row(f"{pairing} text", [*cells, str(len(runs))]))
    return "\n".join(lines)
