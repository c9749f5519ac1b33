"""Fixtures of the export tests: runs with their bundles, and graphs that are traced already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import nn

from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.export.bundle import export_run
from zscr.export.heads import Build
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import load_encoder
from zscr.train.fit import Request, fit
from zscr.train.methods.contract import Head, Port
from zscr.train.methods.losses import unit
from zscr.train.methods.settings import make_config
from zscr.train.run import Run
from zscr.train.sources import sources_of

QUICK = {"gf_dim": 8, "df_dim": 8, "embed_dim": 6, "z_dim": 2, "batch_size": 4}
QUICK |= {"e_steps": 2, "critic_steps": 2, "m_steps": 2, "rounds": 1, "validate_every": 1}
QUICK |= {"select_on_test": False}


@pytest.fixture(scope="session")
def vector_run(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train on published vectors for a moment."""
    folder = tmp_path_factory.mktemp("runs")
    return fit(Request("zscrgan-reference", vectors, folder / "run", QUICK, device="cpu"))


@pytest.fixture(scope="session")
def vector_bundle(vector_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Export that run with three draws of noise averaged in the text graph."""
    folder = tmp_path_factory.mktemp("bundles")
    return export_run(vector_run, folder / "bundle", settings={"noise_samples": 3})


@pytest.fixture(scope="session")
def traced() -> Callable[[Path], Build]:
    """Return a function: bundle's folder -> what builds its graphs again without tracing them."""
    return lambda folder: lambda one: onnx.load(folder / f"{one.name}.onnx")


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a collection of six classes: three noisy images each, with a sketch and a text."""
    path, rng = tmp_path_factory.mktemp("pairs") / "pairs", np.random.default_rng(7)
    colours = ("red", "green", "blue", "black", "white", "grey")
    with new_collection(path, name="pairs", protocol="test", provenance={}) as draft:
        for number, colour in enumerate(colours):
            split = ("seen", "val", "unseen")[number // 2]
            draft.add_class(ClassInfo(colour, colour), split)
            for size in ("small", "large", "a"):
                files = [f"{colour}-{size}-{kind}.png" for kind in ("image", "sketch")]
                for file in files:
                    pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
                    Image.fromarray(pixels).save(draft.folder / file)
                text = (f"{size} {colour} circle",)
                draft.add_item(Item(f"{colour}-{size}", split, colour, *files, text))
    return path


class Mapped(nn.Module):
    """A linear map of one row, or the sum of the maps of two -> unit rows."""

    def __init__(self, dims: tuple[int, ...], out: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.maps = nn.ModuleList(nn.Linear(dim, out) for dim in dims)


class One(Mapped):
    def forward(self, row: torch.Tensor) -> torch.Tensor:
        return unit(self.maps[0](row))


class Two(Mapped):
    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return unit(self.maps[0](first) + torch.tanh(self.maps[1](second)))


class Handmade:
    """The heads of a method that asks in three ways, with random weights."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], out: int, seed: int) -> None:
        self.dims, self.out, self.seed = {name: s[0] for name, s in shapes.items()}, out, seed

    def heads(self) -> dict[str, Head]:
        text, image, sketch = (self.dims[name] for name in ("text", "image", "sketch"))
        ports = {name: Port(name) for name in self.dims}
        seed, out = self.seed, self.out
        both = (ports["text"], ports["image"]), (ports["sketch"], ports["image"])
        return {
            "text": Head(One((text,), out, 1), (ports["text"],), "query"),
            "composed": Head(Two((text, image), out, 2), both[0], "query"),
            "strokes": Head(Two((sketch, image), out, 3), both[1], "query"),
            "gallery": Head(One((image,), out, seed), (ports["image"],), "gallery"),
        }


class HandmadeRun(Run):
    """A run of such a method."""

    out, gallery_seed = 6, 4

    def load_best(self, device: object = "cpu") -> Any:
        return Handmade(dict(self.shapes), self.out, self.gallery_seed)


@pytest.fixture(scope="session")
def handmade_run(pairs: Path, tiny_text: Path, tiny_image: Path) -> Callable[..., HandmadeRun]:
    """Return a function that makes a run: of the gallery's seed, dimension and image encoder."""

    def make(seed: int = 4, out: int = 6, image: Path = tiny_image) -> HandmadeRun:
        encoders = {"image": load_encoder(image), "text": load_encoder(tiny_text)}
        shapes = {name: encoder.row_shape for name, encoder in encoders.items()}
        shapes |= {"sketch": shapes["image"]}
        config = make_config("zscrgan-reference", {})
        sources = sources_of(read_collection(pairs), encoders)
        run = HandmadeRun(pairs / "run", "handmade", config, shapes, sources)
        run.best, run.out, run.gallery_seed = {"step": 1, "figures": {}}, out, seed
        return run

    return make


@pytest.fixture(scope="session")
def handmade(
    handmade_run: Callable[..., HandmadeRun], tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """Export the handmade method once."""
    return export_run(handmade_run(), tmp_path_factory.mktemp("handmade") / "bundle")
