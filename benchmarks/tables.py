"""Writes the README's tables from `results/*.json`, so that no figure is typed by hand.

python benchmarks/tables.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
SHOWN = {"mAP": "mAP", "Prec@10 macro": "Prec@10"}
METHODS = ("zscrgan", "zscrgan-reference")
CONTROLS = ("ridge", "ESZSL", "linear dual encoder", "random ranking", "class-mean oracle")


def main() -> None:
    text = README.read_text("utf-8")
    paths = sorted((HERE / "results").glob("zscrgan_*.json"))
    results = [result for result in map(load, paths) if "methods" in result]
    text = between(
        text,
        "results",
        "\n\n".join([*(quality_table(results, name) for name in SHOWN), budgets(results)]),
    )
    speeds = map(load, sorted((HERE / "results").glob("zscrgan_speed_*.json")))
    text = between(text, "speed", speed_table(list(speeds)))
    text = between(text, "latency", latency_table(load(HERE / "results/query_latency.json")))
    README.write_text(text, "utf-8")


def load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text("utf-8")))


def between(text: str, name: str, table: str) -> str:
    """Replace what stands between the comments `name` and `/name`."""
    before, rest = text.split(f"<!-- {name} -->\n", 1)
    _, after = rest.split(f"<!-- /{name} -->", 1)
    return f"{before}<!-- {name} -->\n{table}\n<!-- /{name} -->{after}"


def quality_table(results: list[dict[str, Any]], figure: str) -> str:
    """One figure: a row a collection, a column a method or control."""
    head = [*METHODS, *CONTROLS]
    lines = [row(SHOWN[figure], head), "|---|" + "---|" * len(head)]
    for result in results:
        methods, controls = result["methods"], result["controls"]
        cells = [cell(methods[name], figure) if name in methods else "" for name in METHODS]
        cells += [f"{controls[name][figure]:.3f}" for name in CONTROLS]
        lines.append(row(f"`{result['collection']}`", cells))
    return "\n".join(lines)


def cell(method: dict[str, Any], figure: str) -> str:
    """Mean ± sd over the seeds, marked where the unseen classes selected."""
    spread = method["sd"].get(figure)
    deviation = f" ± {spread:.3f}" if spread is not None else ""
    oracle = "" if "validation" in method["selection"] else f" ({method['selection']})"
    return f"{method['mean'][figure]:.3f}{deviation}{oracle}"


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
