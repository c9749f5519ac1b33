"""Writes the documents' tables from `results/*.json`, so that no figure is typed by hand.

python benchmarks/tables.py            writes them
python benchmarks/tables.py --check    fails where a document has others
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from zscr.data.registry import table as collections_table

HERE = Path(__file__).parent
ROOT = HERE.parent
SHOWN = {"mAP": "mAP", "Prec@10 macro": "Prec@10"}
METHODS = ("zscrgan", "zscrgan-reference")
CONTROLS = ("ridge", "ESZSL", "linear dual encoder", "random ranking", "class-mean oracle")
# The README's table: one collection a source of images, and the controls that one looks for first.
README_ROWS = ("aviary", "sketchy25", "fashion44k", "wiki")
README_CONTROLS = ("ridge", "linear dual encoder", "random ranking")
SPACES = {"CSEM": "CSEM", "raw feature": "raw"}
VARIANTS = {"full": "as published", "nowrong": "no wrong class"}


def main() -> None:
    for name, parts in tables().items():
        path = ROOT / name
        before = after = path.read_text("utf-8")
        for mark, table in parts.items():
            after = between(after, mark, table)
        if sys.argv[1:] == ["--check"] and after != before:
            raise SystemExit(f"{name} has other tables: run benchmarks/tables.py")
        path.write_text(after, "utf-8")


def tables() -> dict[str, dict[str, str]]:
    """Return each document's tables by their marks."""
    results = [result for result in loaded("zscrgan_*.json") if "methods" in result]
    shown = {result["collection"]: result for result in results}
    few = [shown[name] for name in README_ROWS]
    every = [*(quality_table(results, name, CONTROLS) for name in SHOWN), budgets(results)]
    readme = [quality_table(few, "mAP", README_CONTROLS, "mAP, unseen classes"), budgets(few)]
    return {
        "README.md": {"results": "\n\n".join(readme)},
        "docs/collections.md": {"collections": collections_table()},
        "docs/benchmarks.md": {
            "quality": "\n\n".join(every),
            "reference": reference_table(loaded("zscrgan_reference_*.json")),
            "speed": speed_table(loaded("zscrgan_speed_*.json")),
            "latency": latency_table(loaded("query_latency.json")[0]),
        },
    }


def loaded(pattern: str) -> list[dict[str, Any]]:
    """Read the results whose files match, in the order of their names."""
    paths = sorted((HERE / "results").glob(pattern))
    return [dict(json.loads(path.read_text("utf-8"))) for path in paths]


def between(text: str, name: str, table: str) -> str:
    """Replace what stands between the comments `name` and `/name`."""
    before, rest = text.split(f"<!-- {name} -->\n", 1)
    _, after = rest.split(f"<!-- /{name} -->", 1)
    return f"{before}<!-- {name} -->\n{table}\n<!-- /{name} -->{after}"


def quality_table(
    results: list[dict[str, Any]], figure: str, controls: tuple[str, ...], corner: str = ""
) -> str:
    """One figure: a row a collection, a column a method or control."""
    head = [*METHODS, *controls]
    lines = [row(corner or SHOWN[figure], head), "|---|" + "---|" * len(head)]
    for result in results:
        methods, found = result["methods"], result["controls"]
        cells = [cell(methods[name], figure) if name in methods else "" for name in METHODS]
        cells += [f"{found[name][figure]:.3f}" for name in controls]
        lines.append(row(f"`{result['collection']}`", cells))
    return "\n".join(lines)


def cell(method: dict[str, Any], figure: str) -> str:
    """Mean ± sd over the seeds, marked where the unseen classes selected."""
    spread = method["sd"].get(figure)
    oracle = "" if "validation" in method["selection"] else f" ({method['selection']})"
    return f"{with_spread(method['mean'][figure], spread)}{oracle}"


def with_spread(mean: float, spread: float | None) -> str:
    return f"{mean:.3f}" + (f" ± {spread:.3f}" if spread is not None else "")


def budgets(results: list[dict[str, Any]]) -> str:
    """Say what each method was allowed, once where all collections have the same."""
    found: dict[str, list[str]] = {}
    for result in results:
        for name, method in result["methods"].items():
            runs, rounds = len(method["seeds"]), method["config"]["rounds"]
            key = f"{name}: {runs} seed{'s' * (runs > 1)}, {rounds} rounds"
            found.setdefault(key, []).append(result["collection"])
    everywhere = len(results)
    return "; ".join(
        key if len(names) == everywhere else f"{key} ({', '.join(names)})"
        for key, names in sorted(found.items())
    )


def reference_table(results: list[dict[str, Any]]) -> str:
    """A row a collection and variant: figures in both spaces, and where imagined entries end."""
    names = [f"{shown} {space}" for space in SPACES.values() for shown in SHOWN.values()]
    head = ["wrong class", "seeds", *names, "at 0", "at or above the most", "length"]
    lines = [row("mAP and Prec@10", head), "|---|" + "---|" * len(head)]
    for result in results:
        for variant, found in result["variants"].items():
            cells = [VARIANTS[variant], str(len(found["seeds"]))]
            figures = [found[space][figure] for space in SPACES for figure in SHOWN]
            cells += [with_spread(each["mean"], each["sd"]) for each in figures]
            lines.append(row(f"`{result['collection']}`", cells + extremes(found["imagined"])))
    return "\n".join(lines)


def extremes(runs: list[dict[str, float]]) -> list[str]:
    """Return mean shares of entries at 0 (of images) and at the most, and the relative length."""

    def mean(name: str) -> float:
        return sum(run[name] for run in runs) / len(runs)

    names = ("at 0", "images at 0", "at or above the most")
    zeros, real, most = (f"{100 * mean(name):.0f} %" for name in names)
    return [f"{zeros} ({real})", most, f"{mean('length') / mean('length of images'):.1f}"]


def row(name: str, cells: list[str]) -> str:
    return f"| {name} | " + " | ".join(cells) + " |"


def speed_table(results: list[dict[str, Any]]) -> str:
    """A row for each size on each device."""
    head = ["seconds a round", "plain port", "ratio", "of the products' rate", "peak MB"]
    lines = [row("sizes", head), "|---|" + "---|" * len(head)]
    for result in results:
        threads = f"CPU, {result['threads']} thread{'s' * (result['threads'] > 1)}"
        on = threads if result["device"] == "cpu" else result["device"]
        for size, found in result["sizes"].items():
            seconds, peak = found["seconds_a_round"], found["peak_memory_mb"]
            share = found["share_of_products_rate"]["products"]
            figures = (seconds["fast"], seconds["plain"], found["faster_than_plain"], share)
            cells = [f"{figure:.2f}" for figure in figures]
            memory = [f"{peak[name]:.0f}" for name in ("fast", "plain", "weights alone")]
            cells.append("{}; {}, weights {}".format(*memory))
            lines.append(row(f"{size}, {on}, {result['precision']}", cells))
    return "\n".join(lines)


def latency_table(result: dict[str, Any]) -> str:
    machine = result["machine"]
    rows = ["| milliseconds | p50 | p90 | p99 |", "|---|---|---|---|"]
    for name, figures in result["milliseconds"].items():
        rows.append(row(name, [f"{figures[p]:.2f}" for p in ("p50", "p90", "p99")]))
    note = (
        f"{machine['cpu']}, {result['threads']} thread, {result['queries']} queries, "
        f"onnxruntime {machine['packages']['onnxruntime']}, torch {machine['packages']['torch']}; "
        f"both in turns. Index: {result['index']}."
    )
    return "\n".join([*rows, "", note])


if __name__ == "__main__":
    main()
