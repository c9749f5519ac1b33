"""The tables of `sketch_ablations.py`'s and `text_leak.py`'s results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from markdown import head, row, with_spread

SHOWN = (("val", "mAP"), ("val", "P@100"), ("unseen", "mAP"), ("unseen", "P@100"))
CALLED = {"val": "validation", "unseen": "unseen"}
BASES = {"default": "default", "as-specified": "full"}  # part -> its first row


def ablations_table(results: Sequence[Mapping[str, Any]]) -> str:
    """A table a collection and part: a row a variant, and how far it is from the first."""
    parts = ((result, part) for result in results for part in BASES if part in result)
    return "\n\n".join(one_table(*one) for one in parts)


def one_table(result: Mapping[str, Any], part: str) -> str:
    columns = [f"{CALLED[split]} {figure}" for split, figure in SHOWN]
    columns += ["last round, validation mAP", f"that less {BASES[part]}'s", "seeds"]
    lines = head(f"`{result['collection']}`, {part}", [*columns, "rounds chosen"])
    base = result[part].get(BASES[part], {})
    for name, runs in result[part].items():
        cells = [spread([one[split][figure] for one in runs.values()]) for split, figure in SHOWN]
        cells.append(spread([one["last"]["mAP"] for one in runs.values()]))
        lines.append(row(name, [*cells, paired(runs, base), str(len(runs)), chosen(runs)]))
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """Return the mean, with the deviation over seeds where there are several."""
    return with_spread(mean(values), stdev(values) if len(values) > 1 else None)


def paired(runs: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """Return how far last rounds are from the base's by the same seeds."""
    gaps = [
        one["last"]["mAP"] - base[seed]["last"]["mAP"] for seed, one in runs.items() if seed in base
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
