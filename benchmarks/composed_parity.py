"""How far a vector for a word in CLIP's text is from transformers, and how far mistakes are.

    python benchmarks/composed_parity.py

Towers of ViT-B/32's and ViT-L/14's shape with random weights read four sentences with the place at
four places. transformers' own model runs on the same ids, with a hook on its embedding layer. The
controls are towers with one mistake each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import transformers
from machine import describe
from torch.nn import functional

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.train.language.clip_towers import (  # noqa: E402
    MISTAKES,
    SHAPES,
    clip_text,
    hooked,
    prompts,
    tower_of,
)

LAYERS = 12


def main() -> None:
    shapes = {shape: figures(shape) for shape in SHAPES}
    result = {
        "benchmark": "a vector for a word in CLIP's text against transformers, random weights",
        "shapes": shapes,
        "seed": 7,
        "transformers": transformers.__version__,
        "machine": describe(),
    }
    path = ROOT / "benchmarks/results/composed_parity.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(
        "| before the normalisation |",
        " | ".join(f"{one}: max abs | cosine" for one in SHAPES),
        "|",
    )
    for name in shapes["B/32"]:
        cells = (
            f"{row[name]['max_abs']:.1e} | {row[name]['cosine']:.5f}" for row in shapes.values()
        )
        print(f"| {name} |", " | ".join(cells), "|")


@torch.no_grad()
def figures(shape: str) -> dict[str, dict[str, float]]:
    """Return the largest difference of a component, and the smallest cosine, of each tower."""
    model = clip_text(shape, LAYERS)
    tower, given = tower_of(model), prompts(SHAPES[shape][0])
    ids, mask, slots, words = given
    plain = tower(ids, mask, torch.full_like(slots, -1), words)
    wanted = hooked(model, ids, slots, words)
    found = {"plain text": (plain, model(input_ids=ids).text_embeds)}
    found["composed"] = (tower(*given), wanted)
    found |= {f"wrong: {name}": (make(model, given), wanted) for name, make in MISTAKES.items()}
    return {name: compared(*pair) for name, pair in found.items()}


def compared(rows: torch.Tensor, wanted: torch.Tensor) -> dict[str, float]:
    cosines = functional.cosine_similarity(rows, wanted)
    return {"max_abs": float((rows - wanted).abs().max()), "cosine": float(cosines.min())}


if __name__ == "__main__":
    main()
