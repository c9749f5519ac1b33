"""Whether the alignment can be learnt from texts alone: sketches and images replaced by noise.

    python benchmarks/text_leak.py sketchy25 --seeds 7 8 9

New noise at each step has no class to be seen. With the anchor's text a tuple's two images read the
same sentence, and the losses behind the fusion must stay at what undecided ones cost: the margin of
the triplets, .49² = .240 of the relations. With their own texts they fall. Texts are the templates
of the seen classes, sizes those of the recipe `as-specified`. Writes `results/text_leak_….json`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from machine import describe

from zscr.data.collection import read_collection
from zscr.data.registry import find_collection
from zscr.infer.features.split import load_split
from zscr.train.fit import load_recipe
from zscr.train.methods.alignment.alignment import Alignment, Side
from zscr.train.methods.alignment.fusion import PAIRINGS, Pairing, TextFusion, hidden_of
from zscr.train.methods.alignment.sentences import Sentences
from zscr.train.methods.alignment.tuples import draw_tuples
from zscr.train.methods.cmaan.aligning import TEXTS, texts_need
from zscr.train.methods.cmaan.config import Config
from zscr.train.methods.settings import make_config
from zscr.train.sources import choose_encoders
from zscr.train.tables import to_device
from zscr.train.vision.tower import States

RESULTS = Path(__file__).parent / "results"
SIDE, CLASSES, EACH, AROUND = 7, 16, 2, 20  # places a side; a batch; steps that a figure is over
LR = 3e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7])
    parser.add_argument("--steps", type=int, default=160)
    arguments = parser.parse_args()
    folder = find_collection(arguments.collection)
    made = make_config("cmaan", load_recipe("cmaan", "as-specified")["settings"])
    assert isinstance(made, Config)
    config = replace(made, lambda_tri=1.0, lambda_rn=1.0, tri_pre=False)
    sentences = read(folder, config)
    found: dict[str, Any] = {"benchmark": "losses on noise", "collection": folder.name}
    found |= {"steps": arguments.steps, "lr": LR, "width": config.width, "seeds": arguments.seeds}
    found |= {pairing: [] for pairing in PAIRINGS}
    for seed in arguments.seeds:
        for pairing in PAIRINGS:
            losses = on_noise(config, pairing, sentences, arguments.steps, seed)
            found[pairing].append(losses)
            print(pairing, seed, losses, flush=True)
    found["machine"] = describe()
    path = RESULTS / f"text_leak_{folder.name}.json"
    path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def read(folder: Path, config: Config) -> Sentences:
    """Return the templates of the seen classes as token states."""
    collection, needs = read_collection(folder), texts_need(config)
    split = load_split(collection, "seen", needs, choose_encoders(collection, needs, {}, {}))
    return Sentences(to_device(split, "cpu")[TEXTS])


def on_noise(
    config: Config, pairing: Pairing, sentences: Sentences, steps: int, seed: int
) -> dict[str, list[float]]:
    """Train on noise; return the first and the last losses behind the fusion by name."""
    torch.manual_seed(seed)
    noise, width = torch.Generator().manual_seed(seed), config.width
    fusion = TextFusion(width, sentences.rows.shape[2], hidden_of(width), pairing)
    module = Alignment(config, (width, SIDE), width, fusion)
    optimizer = torch.optim.AdamW(module.parameters(), LR)
    known = len(sentences.starts) - 1
    count = min(CLASSES, known)
    starts, losses = torch.arange(count + 1) * EACH, []
    for _ in range(steps):
        classes = torch.randperm(known, generator=noise)[:count]
        words = sentences.draw(classes, noise)
        tuples = draw_tuples(torch.arange(count * EACH), starts, starts, noise)
        terms = module(drawn(count, width, noise), drawn(count, width, noise), tuples, words)
        optimizer.zero_grad()
        torch.stack([*terms.values()]).sum().backward()
        optimizer.step()
        losses.append({name: float(term.detach()) for name, term in terms.items()})
    ends = losses[:AROUND], losses[-AROUND:]
    return {
        name: [round(sum(one[name] for one in end) / len(end), 4) for end in ends]
        for name in losses[0]
    }


def drawn(classes: int, width: int, noise: torch.Generator) -> Side:
    """Return noise as the states of a batch."""
    count = classes * EACH
    pooled = torch.randn(count, width, generator=noise)
    return Side(States(pooled, torch.randn(count, SIDE**2, width, generator=noise)), pooled)


if __name__ == "__main__":
    main()
