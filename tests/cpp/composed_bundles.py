"""Bundles that answer an image, or a sketch, and a text at once, by every kind of composition."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from bundles import DIM, LENGTH, _entry, _write_graph, unit

from zscr.artefact import staged
from zscr.disk import save_array
from zscr.export.composition import told, write_compositions
from zscr.export.words import Words
from zscr.infer.bundle import Bundle
from zscr.infer.runners.runner import Runtime

THINGS = tuple(f"{a}{b} thing" for a in "abcdefgh" for b in "klmno")
STYLES = tuple(f"in {a}{b}" for a in "stuv" for b in "wxyz")
TEMPLATE = "a photo of * , {}"


def with_compositions(folder: Path, plain: Path, **prompt: Any) -> Path:
    """Write a bundle with what an export gives it, a graph of image and text, and more.

    Args:
        folder: where to.
        plain: a bundle that `bundles.make_bundle` has made.
        prompt: goes into the entry of the graph's text.
    """
    made = Bundle.open(plain, Runtime(threads=1))
    graphs = dict(made.graphs)
    with staged(folder, "bundle") as stage:
        for name in made.manifest.files:
            shutil.copyfile(plain / name, stage.folder / name)
        words = Words(THINGS, STYLES, ("wren", "robin", "tit", "owl", "kite", "crow"))
        entries = write_compositions(stage, graphs, made.graph("text"), DIM, words)
        graphs["composed"] = _prompts(stage.folder, graphs, prompt)
        first = {"pic2word": {"about": "a sentence", "graph": "composed"}}
        body = {**made.manifest.body, "graphs": graphs}
        stage.body |= body | told(first | entries | _by_hand(stage.folder))
    return folder


def _prompts(folder: Path, graphs: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Write a graph of a sentence and an image, whose weight is its place; return its entry."""
    pixels = dict(graphs["gallery"]["inputs"][0])
    text = {"field": "text", "kind": "prompt", "tokenizer": "tokenizer.json"}
    text |= {"max_length": LENGTH, "template": TEMPLATE, "names": ["ids", "mask", "slot"]} | more
    side = pixels["preprocess"]["image_size"]
    graph = f"""<ir_version: 8, opset_import: ["" : 17]>
    by_hand (int64[batch, length] ids, int64[batch, length] mask, int64[batch] slot,
             float[batch, 3, {side}, {side}] given) => (float[batch, {DIM}] embedding) {{
        first = Constant <value = int64[1] {{1}}> ()
        last = Constant <value = int64[1] {{2}}> ()
        rows = Gather (table, ids)
        numbers = Cast <to = 1> (mask)
        column = Unsqueeze (numbers, last)
        kept = Mul (rows, column)
        sum = ReduceSum <keepdims = 0> (kept, first)
        flat = Flatten <axis = 1> (given)
        moved = MatMul (flat, matrix)
        place = Cast <to = 1> (slot)
        weight = Unsqueeze (place, first)
        word = Mul (moved, weight)
        all = Add (sum, word)
        embedding = LpNormalization <axis = 1, p = 2> (all)
    }}"""
    _write_graph(
        folder / "composed.onnx", graph, {"table": (60_000, DIM), "matrix": (3 * side**2, DIM)}
    )
    entry = _entry("composed", "query", text)
    return entry | {"inputs": [pixels, text]}


def _by_hand(folder: Path) -> dict[str, Any]:
    """Write the files of compositions that no export makes; return their entries."""
    image, text = {"field": "image", "graph": "gallery"}, {"field": "text", "graph": "text"}
    rows = unit(300, 21).astype(np.float64)
    moments = np.concatenate([rows.mean(0)[None], np.cov(rows.T, bias=True)])
    arrays = {"mean": rows[0] / 9, "centre": rows.mean(0), "moments": moments}
    for name, array in arrays.items():
        save_array(folder / f"{name}.npy", np.asarray(array, np.float32))
    centred = [image | {"centred": True, "least": -0.25}]
    centred += [text | {"centred": True, "least": -0.5, "mean": "mean.npy"}]
    template, harris = {"template": "a {} ({})"}, {"kind": "harris", "value": 0.2}
    return {
        name: {"about": name} | entry
        for name, entry in {
            "weighted": {
                "channels": [image, text | template],
                "fusion": {"kind": "weights", "weights": [1, -0.5]},
            },
            "difference": {
                "channels": [image, text | {"replaces": True}],
                "fusion": {"kind": "weights", "weights": [0, 1]},
            },
            "corner": {
                "channels": centred,
                "fusion": harris | {"divisor": "own"},
                "gallery_mean": "centre.npy",
            },
            "stored": {
                "channels": [image, text | template | {"replaces": True}],
                "fusion": {"kind": "cdf", "value": 0.25},
                "moments": "moments.npy",
            },
        }.items()
    }
