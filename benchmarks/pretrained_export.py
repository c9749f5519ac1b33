"""Time and memory of exporting a pretrained dual encoder of the size of CLIP ViT-B/32.

    python benchmarks/pretrained_export.py

Random weights in the sizes of openai/clip-vit-base-patch32 (151 million), saved by transformers,
are exported by the command, parity included, in a process of its own. To reach: 2 minutes, 3 GB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import transformers
from machine import describe
from tokenizers import pre_tokenizers

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name) / "vit-b-32", Path(name) / "bundle"
        save(source, arguments.seed)
        measured = export(source, out)
        body = json.loads((out / "manifest.json").read_text())
    variants = {name: graph["variants"]["fp32"] for name, graph in body["graphs"].items()}
    result = {
        "benchmark": "export of a dual encoder of the size of CLIP ViT-B/32, random weights",
        **vars(arguments),
        **measured,
        "megabytes": {name: round(e["bytes"] / 1e6, 1) for name, e in body["files"].items()},
        "max_abs_unit": {name: one["parity"]["max_abs"] for name, one in variants.items()},
        "projected": {name: one["projected_parity"] for name, one in variants.items()},
        "machine": describe(),
    }
    (RESULTS / "pretrained_export.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: one for key, one in result.items() if key != "machine"}, indent=1))


def save(folder: Path, seed: int) -> None:
    """Save random weights of the sizes that are transformers' defaults, with a tokenizer."""
    torch.manual_seed(seed)
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*signs, *(f"{sign}</w>" for sign in signs)]
    ends = ["<|startoftext|>", "<|endoftext|>"]
    filler = [f"word{number}</w>" for number in range(49_408 - len(words) - len(ends))]
    numbers = {token: number for number, token in enumerate([*words, *filler, *ends])}
    transformers.CLIPTokenizer(numbers, [], model_max_length=77).save_pretrained(folder)
    transformers.CLIPModel(transformers.CLIPConfig()).save_pretrained(folder)
    transformers.CLIPImageProcessorPil().save_pretrained(folder)


def export(source: Path, out: Path) -> dict[str, Any]:
    """Export by the command -> seconds, processor seconds and the peak of its memory."""
    command = [sys.executable, "-m", "zscr.cli", "export", f"clip:{source}", "--out", str(out)]
    start = time.monotonic()
    subprocess.run(command, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": round(time.monotonic() - start, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_gigabytes": round(used.ru_maxrss * 1024 / 1e9, 2),
    }


if __name__ == "__main__":
    main()
