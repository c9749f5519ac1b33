"""`zscr export clip:NAME` as a user calls it: by a hub's name or a folder, once, and then used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import zscr
from tests.engines import build_all, products
from tests.export.pretrained.conftest import Exported
from tests.train.hub.conftest import cache as cache
from tests.train.hub.conftest import hub as hub
from tests.train.hub.server import Hub
from zscr.artefact import staged
from zscr.cli import main
from zscr.errors import ArtefactError
from zscr.infer.bundle import Bundle
from zscr.infer.index.add import add_images
from zscr.infer.index.unrelated import FILE, common_mixes, unrelated_texts
from zscr.infer.models.installed import choose_model, chosen_model

NAME = "somebody/tiny-clip"
CARD = b"---\nlicense: mit\nlanguage:\n- en\n- de\n---\n# A tiny CLIP\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with models of nobody."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZSCR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def export(*args: object) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, args)])


def body_of(folder: Path) -> dict[str, Any]:
    """Return a manifest's fields but for where the checkpoint came from."""
    body: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    for name in ("source", "revision", "licence", "languages"):
        body["provenance"].pop(name)
    del body["checksum"]
    body["provenance"]["files"].pop("README.md", None)
    return body


def test_a_hubs_model_becomes_one_of_the_users(
    exported: Callable[[str], Exported], hub: Hub, home: Path
) -> None:
    """By the last part of its name, chosen, with the commit and the card; the same bytes again."""
    made = exported("clip")
    files = {path.name: path.read_bytes() for path in made.source.iterdir()}
    commit = hub.commit(NAME, files | {"README.md": CARD})
    done = export(f"clip:{NAME}")
    assert done.exit_code == 0, done.output
    folder = home / "models" / "tiny-clip"
    assert chosen_model() == folder
    for said in ("'zscr find' uses tiny-clip", "licence: mit", "next: zscr find TEXT"):
        assert said in done.stderr
    about = zscr.Bundle.open(folder).manifest.body["provenance"]
    assert (about["source"], about["revision"], about["licence"]) == (NAME, commit, "mit")
    assert about["languages"] == ["en", "de"]
    assert body_of(folder) == body_of(made.bundle.folder), "the export is deterministic"
    before = (folder / "manifest.json").stat().st_mtime_ns
    again = export(f"clip:{NAME}", "--offline")
    assert again.exit_code == 0
    assert f"{folder} is of this checkpoint already" in again.stderr
    assert (folder / "manifest.json").stat().st_mtime_ns == before


def test_a_model_that_was_chosen_stays(exported: Callable[[str], Exported], home: Path) -> None:
    """Another one is exported beside it, or elsewhere."""
    made = exported("clip")
    choose_model(str(made.bundle.folder))
    done = export(f"clip:{made.source}", "--out", made.bundle.folder)
    assert "is of this checkpoint already" in done.stderr
    assert f"next: zscr index add PHOTOS --bundle {made.bundle.folder}" in done.stderr
    assert chosen_model() == made.bundle.folder.resolve()
    assert not (home / "models").exists()


def test_what_is_in_the_way_is_not_replaced(
    exported: Callable[[str], Exported], tmp_path: Path
) -> None:
    """A bundle of another checkpoint, or anything else; nothing is loaded for it."""
    siglip, clip = exported("siglip"), exported("clip")
    (tmp_path / "notes").mkdir()
    for place in (clip.bundle.folder, tmp_path / "notes"):
        done = export(f"clip:{siglip.source}", "--out", place)
        assert done.exit_code == 1
        assert f"{place} exists already" in done.stderr
    done = export(f"clip:{siglip.source}", "--out", clip.bundle.folder)
    of = clip.bundle.manifest.body["provenance"]["source"]  # perhaps another worker's folder
    assert f"made of other files (of '{of}', revision None); remove it" in done.stderr


@pytest.mark.engines
def test_engines_are_built_of_a_bundle_that_is_there(
    exported: Callable[[str], Exported], tmp_path: Path
) -> None:
    """Of texts of any length and images of one size, for a GPU that is not here."""
    pytest.importorskip("tensorrt_rtx", reason="needs the extra 'trt-rtx'")
    made = exported("clip")
    place = made.bundle.folder
    done = export(f"clip:{made.source}", "--out", place, "--trt", "--target", "sm86")
    assert done.exit_code == 0, done.output
    assert products(build_all(made.bundle, tmp_path, "fp16", "int8")["text"]["fp16"])["float16"]
    built = place.with_name(f"{place.name}.engines").glob("*/*.engine")
    assert {"text-fp32.engine", "gallery-fp32.engine"} <= {path.name for path in built}


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["clip:"], "clip: is followed by a folder or by the name of a hub's model"),
        (["clip:x", "--gallery", "all"], "--gallery goes with a run"),
        (["clip:x", "--set", "a=1"], "--set goes with a run"),
        (["clip:x", "--noise-samples", "0"], "--noise-samples goes with a run"),
        (["runs/x", "--text-tower", "y"], "--text-tower goes with clip:NAME"),
        (["runs/x", "--offline"], "--offline goes with clip:NAME"),
    ],
)
def test_options_of_something_else_are_refused(args: list[str], told: str) -> None:
    """Exit 2, before anything is loaded."""
    done = export(*args)
    assert done.exit_code == 2
    assert told in done.stderr


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_photos_are_found_by_texts_and_images(
    exported: Callable[[str], Exported], tmp_path: Path, family: str
) -> None:
    """An index of a folder, with no collection: searched, calibrated, and by the bundle's space."""
    bundle, rng = exported(family).bundle, np.random.default_rng(3)
    (tmp_path / "photos").mkdir()
    for number in range(5):
        pixels = rng.integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    index = add_images(bundle, tmp_path / "i", [tmp_path / "photos"]).index
    assert [one.of for one in index.calibrations] == ["mixes of common English words"]
    searcher = zscr.load(bundle.folder, tmp_path / "i")
    [like] = searcher.search(images=[tmp_path / "photos" / "3.png"], k=5)
    [text] = searcher.search(["a red bird"], k=5)
    assert like.hits[0].id == "photos/3.png"
    assert like.hits[0].score == pytest.approx(1, abs=1e-5)
    rows = bundle.gallery.encode(zscr.Query.of("image", sorted((tmp_path / "photos").iterdir())))
    scores = bundle.graph("text").encode([zscr.Query(text="a red bird")]) @ rows.T
    assert [hit.score for hit in text.hits] == pytest.approx(sorted(scores[0])[::-1], abs=1e-5)


def test_what_calibrates_an_index_is_embedded_once(
    exported: Callable[[str], Exported], tmp_path: Path
) -> None:
    """A bundle has the embeddings that its text graph gives; what cannot be such is refused."""
    bundle = exported("clip").bundle
    kept = unrelated_texts(bundle, (), None)
    assert kept.vectors == pytest.approx(common_mixes(bundle.graph("text")), abs=1e-5)
    assert np.array_equal(kept.vectors, np.load(bundle.folder / FILE))
    for rows in (kept.vectors[:, 1:], kept.vectors * 2):
        folder = tmp_path / f"of {rows.shape[1]}"
        with staged(folder, "bundle") as stage:
            for name in bundle.manifest.files:
                shutil.copyfile(bundle.folder / name, stage.folder / name)
            np.save(stage.folder / FILE, rows)
            stage.body |= bundle.manifest.body
        with pytest.raises(ArtefactError, match="holds no unit rows of 24 numbers"):
            unrelated_texts(Bundle.open(folder), (), None)
