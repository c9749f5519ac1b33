"""Writes the documents' tables from `results/*.json`, so that no figure is typed by hand.

python benchmarks/tables.py            writes them
python benchmarks/tables.py --check    fails where a document has others
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ablations_table import ablations_table, leak_table
from adapt_table import adapt_table
from backends_table import backends_table
from clip_table import clip_table
from composed_speed_table import mapper_table, search_table
from composed_table import composed_table
from cpp_table import cpp_table
from cuda_table import found_table, graphs_table
from find_table import export_table, find_table
from index_changes_table import changes_table, growth_table
from index_search_table import engines_table
from markdown import head, row, with_spread
from quality_tables import full, overview
from sketch_scale_table import scale_table, turns_table
from sketch_table import sketch_overview, sketch_table

from zscr.data.known_collections import table as collections_table

HERE = Path(__file__).parent
ROOT = HERE.parent
SHOWN = {"mAP": "mAP", "Prec@10 macro": "Prec@10"}
README_ROWS = ("aviary", "sketchy25", "fashion44k", "wiki")  # one collection a source of images
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
    results = {one["collection"]: one for one in loaded("zscrgan_*.json") if "rows" in one}
    adapted = [one for one in loaded("adapt_*.json") if one.get("judged") == "unseen"]
    composed = [one for one in loaded("composed_*.json") if "tasks" in one]
    titled = [one for one in loaded("clip_*.json") if "tasks" in one]
    few = [results[name] for name in README_ROWS if name in results]
    drawn = loaded("sketch_sketchy25*.json")
    return {
        "README.md": {
            "results": overview(few, "mAP, unseen classes"),
            "sketches": sketch_overview(drawn, "mAP, unseen classes"),
        },
        "docs/alignment.md": {
            "ablations": ablations_table(loaded("sketch_ablations_*.json")),
            "leak": leak_table(loaded("text_leak_*.json")),
        },
        "docs/backends.md": {
            "backends": backends_table(loaded("backends.json")[0]),
            "cuda": graphs_table(loaded("cuda_query.json")[0], loaded("cuda_engines.json")[0]),
            "cuda-search": found_table(loaded("cuda_query.json")[0]),
        },
        "docs/clip.md": {"clip": clip_table(titled)},
        "docs/cmaan.md": {
            "sketches": sketch_table(drawn),
            "sketch-turns": turns_table(loaded("sketch_speed_*.json")),
        },
        "docs/pic2word.md": {
            "composed": composed_table(composed),
            "mapper": mapper_table(loaded("pic2word_speed_*.json")),
        },
        "docs/collections.md": {
            "collections": collections_table(),
            "sketch-scale": scale_table(loaded("sketch_scale.json")[0]),
        },
        "docs/benchmarks.md": {
            "quality": "\n\n".join(map(full, results.values())),
            "adapt": adapt_table(adapted),
            "reference": reference_table(loaded("zscrgan_reference_*.json")),
            "speed": speed_table(loaded("zscrgan_speed_*.json")),
            "latency": latency_table(loaded("query_latency.json")[0]),
            "cold-start": start_table(loaded("cold_start.json")[0]),
            "text-batches": batches_table(loaded("text_batches.json")[0]),
            "memory": memory_table(loaded("query_memory.json")[0]),
            "cpp": cpp_table(loaded("cpp_query.json")[0]),
            "adding": adding_table(loaded("index_add_*.json")),
            "changes": changes_table(loaded("index_changes.json")[0]),
            "growth": growth_table(loaded("index_memory.json")[0]),
            "engines": engines_table(loaded("index_search.json")[0]),
            "composed": search_table(loaded("composed_search.json")[0]),
            "find": find_table(loaded("find_*.json")),
            "export": export_table(loaded("pretrained_export.json")[0]),
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


def reference_table(results: list[dict[str, Any]]) -> str:
    """A row a collection and variant: figures in both spaces, and where imagined entries end."""
    names = [f"{shown} {space}" for space in SPACES.values() for shown in SHOWN.values()]
    columns = ["wrong class", "seeds", *names, "at 0", "at or above the most", "length"]
    lines = head("mAP and Prec@10", columns)
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


def speed_table(results: list[dict[str, Any]]) -> str:
    """A row for each size on each device."""
    columns = ["seconds a round", "plain port", "ratio", "of the products' rate", "peak MB"]
    lines = head("sizes", columns)
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
    """A row a model and part of a query; CPU time, and the clock's beside it."""
    lines = head("milliseconds", ["CPU p50", "CPU p90", "clock p50", "clock p90", "clock p99"])
    notes = []
    for name, found in result["subjects"].items():
        cpu, wall = found["clocks"]["cpu"], found["clocks"]["wall"]
        for part, row_of in cpu["milliseconds"].items():
            figures = [row_of.get(p) for p in ("p50", "p90")]
            figures += [wall["milliseconds"][part].get(p) for p in ("p50", "p90", "p99")]
            cells = ["–" if one is None else f"{one:.2f}" for one in figures]
            lines.append(row(f"{name}: {part}", cells))
        share, ratio = cpu["share_beside_the_graph"], cpu["faster_than_torch"]
        recall = " and ".join(f"{key} {value:.3f}" for key, value in found["recall"].items())
        notes.append(
            f"{name}, {found['images']:,} images ({found['index']}): {share:.1%} of a query's CPU "
            f"time is beside the graph; torch and hnswlib take {ratio:.2f} times as much "
            f"({wall['faster_than_torch']:.2f} by the clock); recall@10 {recall}."
        )
    machine, floor = result["machine"], result["floor"]
    packages = machine["packages"]
    notes += [
        f"Generator and CSEM, {floor['weights_mb']:.0f} MB read at {floor['gb_s']:.1f} GB/s: at "
        f"least {floor['floor_ms']:.2f} ms; {floor['cpu_ms']:.2f} ms of CPU time, "
        f"{floor['cpu_of_floor']:.2f} times that ({floor['wall_of_floor']:.2f} by the clock).",
        f"{machine['cpu']}, {result['threads']} thread, {result['queries']} queries each, seed "
        f"{result['seed']}, onnxruntime {packages['onnxruntime']}, torch {packages['torch']}; in "
        f"turns.",
    ]
    return "\n".join([*lines, *(f"\n{note}" for note in notes)])


def start_table(result: dict[str, Any]) -> str:
    """A row a command: medians, and the ratios to bare imports turn by turn."""
    columns = ["CPU seconds", "wall seconds", "CPU, of imports", "wall, of imports", "peak MB"]
    lines = head("process", columns)
    for name, found in result["seconds"].items():
        ratio = result["ratio_to_imports"][name]
        cells = [f"{found[key]:.2f}" for key in ("cpu", "wall")]
        cells += [f"{ratio[key]:.2f}" for key in ("cpu", "wall")]
        lines.append(row(name, [*cells, f"{found['mb']:.0f}"]))
    machine = result["machine"]
    note = (
        f"{machine['cpu']}, {machine['cores']} cores, shared, {result['runs']} turns, "
        f"a bundle of {result['bundle_mb']:.0f} MB, onnxruntime "
        f"{machine['packages']['onnxruntime']}."
    )
    return "\n".join([*lines, "", note])


def batches_table(result: dict[str, Any]) -> str:
    lines = head(f"{result['captions']:,} captions", ["CPU seconds"])
    lines += [row(name, [f"{found:.2f}"]) for name, found in result["seconds"].items()]
    note = f"Largest difference of a component: {result['largest_difference']:.1e}."
    return "\n".join([*lines, "", note])


def memory_table(result: dict[str, Any]) -> str:
    """A row a way: medians of megabytes, and of CPU milliseconds a caption."""
    ways = result["ways"]
    lines = head("memory of a batch", [*next(iter(ways.values()))])
    for way, found in ways.items():
        cells = [
            f"{value:.0f}" if "MB" in name else f"{value:.1f}" for name, value in found.items()
        ]
        lines.append(row(way, cells))
    note = (
        f"{result['machine']['cpu']}, {result['threads']} thread, {result['captions']} captions, "
        f"{result['rounds']} processes each, in turns; CPU time of a caption."
    )
    return "\n".join([*lines, "", note])


def adding_table(results: list[dict[str, Any]]) -> str:
    """A row a code and number of photos; `before` is the release that it is compared with."""
    lines = head("photos", ["threads", "photos a second", "encoder alone", "peak MB"])
    for result in results:
        alone = f"{result['encoder_alone_photos_per_second']:.1f}"
        for which in ("before", "after"):
            if found := result.get(which):
                speed, peak = (found[name]["median"] for name in ("photos_per_second", "peak_mb"))
                cells = [str(result["threads"]), f"{speed:.2f}", alone, f"{peak:.0f}"]
                small = ", of their own sizes" if result.get("own_sizes") else ""
                lines.append(row(f"{result['count']:,}{small}, {which}", cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
