"""An image encoder alone as a bundle, which finds images by images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from zscr.cli import main
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.export.pretrained.image import export_image_encoder
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import load_encoder
from zscr.infer.index.add import add_images
from zscr.infer.searcher import Searcher


@pytest.fixture(scope="module")
def bundle(tiny_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Export the tiny encoder."""
    return export_image_encoder(tiny_image, tmp_path_factory.mktemp("image") / "tiny", "tiny-cnn")


def test_embeddings_are_the_encoders_features_of_length_1(
    bundle: Bundle, tiny_image: Path, shapes: Path
) -> None:
    images = Query.of("image", sorted(shapes.glob("*.png"))[:5])
    features = load_encoder(tiny_image).encode(images)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    assert np.abs(bundle.gallery.encode(images) - unit).max() < 1e-6
    assert np.abs(np.linalg.norm(features, axis=1) - 1).min() > 0.1  # or it would prove nothing
    assert bundle.dim == features.shape[1]


def test_it_finds_images_by_images(bundle: Bundle, shapes: Path, tmp_path: Path) -> None:
    """An image first finds itself; a text is refused with what it takes."""
    images = sorted(shapes.glob("*.png"))
    add_images(bundle, tmp_path / "index", images)
    found = Searcher.open(bundle.folder, tmp_path / "index")
    [answer] = found.search(images=[images[3]], k=2)
    assert answer.hits[0].image.endswith(images[3].name)
    assert answer.hits[0].score == pytest.approx(1)
    with pytest.raises(InputError, match="answers queries of image, not of text"):
        found.search("a red circle")


def test_its_manifest_says_where_it_comes_from(bundle: Bundle, tiny_image: Path) -> None:
    """With the proof that the graph is the encoder's, on images of many shapes."""
    about = bundle.manifest.body["provenance"]
    assert (about["kind"], about["family"], about["source"]) == (
        "pretrained",
        "tiny-image",
        "tiny-cnn",
    )
    assert about["files"].keys() == {"model.onnx"}
    assert "cosine" in about["score"]
    [variant] = bundle.graphs["gallery"]["variants"].values()
    assert variant["parity"]["max_abs"] < 1e-5
    assert variant["parity"]["samples"] >= 9


def test_an_encoder_of_texts_is_refused(tiny_text: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"rows of shape \[32\] of texts, and a bundle is made"):
        export_image_encoder(tiny_text, tmp_path / "out", "tiny-text")
    assert not list(tmp_path.iterdir())


def test_it_is_exported_by_its_name_into_the_users_models(
    tiny_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once; the next call finds it. A name that stands for a training is refused with a way."""
    monkeypatch.setenv("ZSCR_HOME", str(tmp_path / "home"))
    for made_before in (False, True):
        done = CliRunner().invoke(main, ["export", f"image:{tiny_image}"])
        assert done.exit_code == 0, done.stderr
        assert ("is of this checkpoint already" in done.stderr) is made_before
        assert "next: zscr find --image FILE --model tiny-image" in done.stderr
    assert Bundle.open(tmp_path / "home/models/tiny-image").dim == 16
    for name, why in (
        ("small-cnn", "'small-cnn' is trained on a collection"),
        ("", "image: is followed by"),
        (tiny_image.parent / "nothing", "no encoder"),
    ):
        refused = CliRunner().invoke(main, ["export", f"image:{name}", "--offline"])
        assert refused.exit_code in (1, 2)
        assert why in refused.stderr
    refused = CliRunner().invoke(main, ["export", f"image:{tiny_image}", "--gallery", "all"])
    assert (refused.exit_code, "--gallery goes with a run" in refused.stderr) == (2, True)
