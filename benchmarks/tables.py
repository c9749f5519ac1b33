"""Writes the README's tables from `results/*.json`, so that no figure is typed by hand.

python benchmarks/tables.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
COLUMNS = {"Prec@1 macro": "Prec@1", "Prec@10 macro": "Prec@10", "mAP": "mAP"}


def main() -> None:
    text = README.read_text("utf-8")
    quality = [load(path) for path in sorted((HERE / "results").glob("zscrgan_*.json"))]
    text = between(text, "results", "\n\n".join(map(quality_table, quality)))
    text = between(text, "latency", latency_table(load(HERE / "results/query_latency.json")))
    README.write_text(text, "utf-8")


def load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text("utf-8")))


def between(text: str, name: str, table: str) -> str:
    """Replace what stands between the comments `name` and `/name`."""
    before, rest = text.split(f"<!-- {name} -->\n", 1)
    _, after = rest.split(f"<!-- /{name} -->", 1)
    return f"{before}<!-- {name} -->\n{table}\n<!-- /{name} -->{after}"


def quality_table(result: dict[str, Any]) -> str:
    """One collection: the method over its seeds, then chance and each control."""
    seeds, versions = result["seeds"], result["machine"]["packages"]
    runs = f"seeds {seeds[0]} to {seeds[-1]}, mean ± sd" if len(seeds) > 1 else f"seed {seeds[0]}"
    rows = [
        f"**{result['collection']}**: {result['protocol']}; {result['classes']} unseen classes, "
        f"{result['queries']} queries, {result['gallery']} pictures. {budget(result['config'])}; "
        f"{runs}; torch {versions['torch']}.",
        "",
        "| | " + " | ".join(COLUMNS.values()) + " |",
        "|---|" + "---|" * len(COLUMNS),
        row("zscrgan", [cell(result["zscrgan"][name]) for name in COLUMNS]),
    ]
    for name, control in result["controls"].items():
        cells = [control.get(key) for key in COLUMNS]
        rows.append(row(name, ["" if c is None else f"{c:.3f}" for c in cells]))
    return "\n".join(rows)


def budget(config: dict[str, Any]) -> str:
    """What the training was allowed: its rounds and the networks' widths."""
    widths = ", ".join(f"{name} {config[name]}" for name in ("gf_dim", "df_dim", "embed_dim"))
    chosen = "; oracle selection" if config.get("select_on_test") else ""
    return f"{config['rounds']} rounds of E and M steps, {widths}{chosen}"


def cell(figure: dict[str, Any]) -> str:
    deviation = "" if figure["sd"] is None else f" ± {figure['sd']:.3f}"
    return f"{figure['mean']:.3f}{deviation}"


def row(name: str, cells: list[str]) -> str:
    return f"| {name} | " + " | ".join(cells) + " |"


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
