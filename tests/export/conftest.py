"""Fixtures of the export tests: runs with their bundles, and graphs that are traced already."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.export.bundle import export_run
from zscr.export.heads import Build
from zscr.infer.bundle import Bundle
from zscr.train.fit import Request, fit
from zscr.train.run import Run

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


@pytest.fixture(scope="session")
def site(lay_out: Callable[[str, str, str], Path]) -> Path:
    """Lay `three_ways.py` out as the installed plug-in `three-ways`."""
    code = Path(__file__).with_name("three_ways.py").read_text()
    return lay_out("three-ways", "three_ways", code)


@pytest.fixture(scope="session")
def trained_handmade(
    pairs: Path, site: Path, tiny_text: Path, tiny_image: Path, tmp_path_factory
) -> Run:
    """Train the handmade method once; it is installed for as long as this takes."""
    encoders = {"image_encoder": str(tiny_image), "text_encoder": str(tiny_text)}
    out = tmp_path_factory.mktemp("handmade") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        return fit(Request("three-ways", pairs, out, {}, device="cpu", **encoders))


@pytest.fixture
def handmade_run(trained_handmade: Run, site: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Install the handmade method for a test; return the run."""
    monkeypatch.syspath_prepend(str(site))
    return trained_handmade


@pytest.fixture(scope="session")
def handmade(trained_handmade: Run, site: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Export the handmade method once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        return export_run(trained_handmade, tmp_path_factory.mktemp("handmade") / "bundle")


@pytest.fixture(scope="session")
def dyed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a collection of nine classes that differ in their colour, with sketches of it."""
    path, rng = tmp_path_factory.mktemp("dyed") / "dyed", np.random.default_rng(5)
    colours = rng.permutation(list(product((20, 120, 230), (30, 200), (0, 255))))
    with new_collection(path, name="dyed", protocol="test", provenance={}) as draft:
        for number, colour in enumerate(colours[:9]):
            split = ("seen", "val", "unseen")[number // 3]
            draft.add_class(ClassInfo(f"c{number}", f"colour {number}"), split)
            for one in range(4):
                files = [f"{number}-{one}-{kind}.png" for kind in ("image", "sketch")]
                for file in files:
                    pixels = np.clip(colour + rng.integers(-9, 10, (32, 32, 3)), 0, 255)
                    Image.fromarray(pixels.astype(np.uint8)).save(draft.folder / file)
                draft.add_item(Item(f"{number}-{one}", split, f"c{number}", *files))
    return path


@pytest.fixture(scope="session")
def pairs_site(lay_out: Callable[[str, str, str], Path]) -> Path:
    """Lay `pair_method.py` out as the installed plug-in `pairs`."""
    return lay_out("pairs", "pair_method", Path(__file__).with_name("pair_method.py").read_text())


@pytest.fixture
def pair_run(
    pairs_site: Path, dyed: Path, tiny_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Run]:
    """Return a function: settings of `pair_method.py` -> a run of it."""
    monkeypatch.syspath_prepend(str(pairs_site))
    encoder = {"image_encoder": str(tiny_image)}
    return lambda **settings: fit(
        Request("pairs", dyed, tmp_path / "run", settings, device="cpu", **encoder)
    )


@pytest.fixture(scope="session")
def deployed_pair(
    pairs_site: Path, dyed: Path, tiny_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, Path]:
    """Train and export a model whose pair helps, once -> its run, and the bundle's folder."""
    folder, encoder = tmp_path_factory.mktemp("paired"), {"image_encoder": str(tiny_image)}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(pairs_site))
        run = fit(Request("pairs", dyed, folder / "run", {}, device="cpu", **encoder))
        return run, export_run(run, folder / "bundle").folder


@pytest.fixture
def paired(
    deployed_pair: tuple[Run, Path], pairs_site: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Run, Bundle]:
    """Install the method for a test -> run and bundle."""
    monkeypatch.syspath_prepend(str(pairs_site))
    run, bundle = deployed_pair
    return run, Bundle.open(bundle)


@pytest.fixture
def unseen_images(dyed: Path, tmp_path: Path) -> Path:
    """Copy the images of unseen classes into a folder, to be indexed, changed and removed."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for item in read_collection(dyed).split("unseen"):
        shutil.copy(dyed / str(item.image), folder)
    return folder
