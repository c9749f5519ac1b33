"""The contenders of the benchmark of whole ViTs on sketches; `sketch_speed.py` tells of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

from zscr.infer.features.table import Split, Table, starts_of
from zscr.train.heads import run_head
from zscr.train.methods.cmaan import method as cmaan
from zscr.train.methods.contract import Method
from zscr.train.methods.zse import method as zse
from zscr.train.precision import computing_in
from zscr.train.tables import to_device

TUPLES, IMAGES = 15, 60  # of a step
AT_ONCE = 20  # queries for which the released evaluation encodes the gallery
CLASSES = 15
TEXT = (77, 512)  # tokens of a sentence and their width, CLIP's
SIZES: Mapping[str, dict[str, int]] = {
    "B/16": {},  # the configuration that transformers begins at
    "tiny": {
        "image_size": 32,
        "patch_size": 8,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    },
}


class Workplace:
    """A ViT of random weights in a folder, and tables of random pixels: what all contenders share.

    Attributes:
        count: of sketches, and of images; steps: of a turn.
    """

    def __init__(
        self, size: dict[str, int], folder: Path, device: torch.device, asked: argparse.Namespace
    ) -> None:
        torch.manual_seed(asked.seed)
        config = ViTConfig(**size)
        ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
        side = config.image_size
        ViTImageProcessorPil(size={"height": side, "width": side}).save_pretrained(folder)
        self.folder, self.device, self.seed, self.steps = folder, device, asked.seed, asked.steps
        self.width, self.row = config.hidden_size, (3, side, side)
        self.count = CLASSES * 2 * asked.steps
        self.split = to_device(self._tables(), device)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of one row of each table."""
        return {name: tuple(table.rows.shape[1:]) for name, table in self.split.tables.items()}

    def _tables(self) -> Split[Any]:
        rng = np.random.default_rng(self.seed)
        names = tuple(map(str, range(self.count)))
        starts = starts_of([2 * self.steps] * CLASSES)
        tables = {
            name: Table(names, rng.integers(0, 256, (self.count, *self.row), np.uint8), starts)
            for name in ("sketch", "image")
        }
        texts = rng.standard_normal((CLASSES, *TEXT), np.float32).astype(np.float16)
        tables["description"] = Table(names[:CLASSES], texts, starts_of([1] * CLASSES))
        return Split(tuple(map(str, range(CLASSES))), tables)


class Contender:
    """A method, bound and started, and how its matrices are multiplied."""

    def __init__(self, method: Method, place: Workplace, precision: str) -> None:
        self.method, self.place, self.precision = method, place, precision
        method.bind(place.split, None)
        method.start()

    def train(self) -> None:
        """Make a round: as many steps as a turn has."""
        with computing_in(self.precision, self.place.device):
            self.method.train_round()

    def evaluate(self) -> torch.Tensor:
        """Encode sketches and images once -> (Q,) the nearest image of each."""
        heads = self.method.heads()
        sides = {"sketch": heads["sketch"], "image": heads["gallery"]}
        tables = {name: self.place.split[name].rows.cpu().numpy() for name in sides}
        rows = [run_head(sides[name], [tables[name]], self.place.device) for name in sides]
        query, gallery = map(torch.from_numpy, rows)
        return (query @ gallery.T).argmax(1)

    @torch.no_grad()
    def evaluate_as_released(self) -> torch.Tensor:
        """Encode all images for each 20 sketches, on CUDA in 16 bits -> (Q,)."""
        heads, split = self.method.heads(), self.place.split
        module, kind = heads["gallery"].module.eval(), self.place.device.type
        with torch.autocast(kind, torch.float16, enabled=kind == "cuda"):
            nearest = []
            for sketches in split["sketch"].rows.split(AT_ONCE):
                gallery = torch.cat([module(part) for part in split["image"].rows.split(AT_ONCE)])
                nearest.append((module(sketches) @ gallery.T).argmax(1).cpu())
        return torch.cat(nearest)


def released(place: Workplace) -> Contender:
    method = _zse(place)
    method.tower.model.set_attn_implementation("eager")
    return Contender(method, place, "fp32")


def _zse(place: Workplace) -> zse.Method:
    config = zse.Config(
        backbone=str(place.folder),
        tower="whole",
        width=place.width,
        tuples=TUPLES * place.steps,
        batch_size=TUPLES,
        seed=place.seed,
    )
    return zse.Method(config, place.shapes, place.device)


def _cmaan(place: Workplace) -> Contender:
    config = cmaan.Config(
        backbone=str(place.folder),
        sketch="whole",
        image="whole",
        width=place.width,
        dim=place.width,
        contrast=0.0,
        proxies=0.0,
        lambda_tri=2.0,
        lambda_rn=4.0,
        texts="templates",
        views=False,
        edges=0.0,
        batch_classes=CLASSES,
        batch_each=IMAGES // CLASSES // 2,
        seed=place.seed,
    )
    return Contender(cmaan.Method(config, place.shapes, place.device), place, "bf16")


CONTENDERS: Mapping[str, Callable[[Workplace], Contender]] = {
    "released": released,
    "zse": lambda place: Contender(_zse(place), place, "bf16"),
    "cmaan": _cmaan,
}
