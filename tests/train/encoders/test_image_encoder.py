"""Image encoders: published graphs with their preprocessing, and the small one trained here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import nn

from zscr.artefact import read_manifest
from zscr.data.collection import Collection, read_collection
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.encoder import Encoder, load_encoder
from zscr.train.encoders.cnn import CnnConfig, train_cnn
from zscr.train.encoders.image import convert_image_encoder
from zscr.train.encoders.objectives import ClassNumbers
from zscr.train.encoders.onnx import trace

# As transformers writes CLIP's and DINO's.
CONFIG = {
    "do_center_crop": True,
    "crop_size": {"height": 8, "width": 8},
    "size": {"shortest_edge": 10},
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.4],
}


class Pools(nn.Module):
    """Pixels (B, 3, 8, 8) -> their channel means (B, 3)."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.mean((2, 3))


@pytest.fixture(scope="module")
def graph() -> onnx.ModelProto:
    """Trace a graph with the names that hubs use."""
    pixels = {"pixel_values": torch.rand(2, 3, 8, 8)}
    return trace(Pools(), pixels, "pooler_output", dynamic={"pixel_values": {0: "batch"}})


@pytest.fixture
def published(graph: onnx.ModelProto, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a published folder with changes to its preprocessing."""

    def make(**changes: Any) -> Path:
        folder = tmp_path / "published"
        folder.mkdir()
        onnx.save(graph, folder / "model.onnx")
        kept = {key: value for key, value in (CONFIG | changes).items() if value is not None}
        (folder / "preprocessor_config.json").write_text(json.dumps(kept))
        return folder

    return make


def convert(folder: Path, out: Path) -> Encoder:
    convert_image_encoder(folder, out, "test")
    return load_encoder(out)


def image(path: Path, width: int, height: int) -> Path:
    pixels = np.random.default_rng(width).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_published_preprocessing_is_followed(
    published: Callable[..., Path], tmp_path: Path
) -> None:
    """Shorter side to 10 (bicubic), the centre 8x8, scaled and normalised per channel."""
    encoder = convert(published(), tmp_path / "out")
    path = image(tmp_path / "x.png", 40, 20)
    resized = Image.open(path).resize((20, 10), Image.Resampling.BICUBIC).crop((6, 1, 14, 9))
    pixels = np.asarray(resized, np.float64) / 255
    expected = ((pixels - CONFIG["image_mean"]) / CONFIG["image_std"]).transpose(2, 0, 1)
    query = Query.of("image", [path])
    found = encoder.prepare(query).feeds["pixels"]
    np.testing.assert_allclose(found, expected[None], atol=1e-5)
    np.testing.assert_allclose(encoder.encode(query), expected[None].mean((2, 3)), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({}, (10, 8)),
        ({"size": 9, "crop_size": 8}, (9, 8)),
        ({"do_center_crop": False, "size": {"shortest_edge": 8}, "crop_size": 6}, (8, 8)),
        ({"do_center_crop": None, "crop_size": None, "size": 8}, (8, 8)),
        ({"resample": 2}, (10, 8)),
    ],
)
def test_both_spellings_of_sizes(
    published: Callable[..., Path], tmp_path: Path, changes: dict[str, Any], sizes: tuple[int, int]
) -> None:
    """A number or a dict; without a crop the shorter side is the image."""
    how = convert(published(**changes), tmp_path / "out").specs[0]["preprocess"]
    assert (how["resize_shorter_side"], how["image_size"]) == sizes
    assert how["resample"] == ("bilinear" if changes.get("resample") == 2 else "bicubic")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_mean": None}, "preprocessor_config.json lacks 'image_mean'"),
        ({"size": None}, "lacks 'size'"),
        ({"resample": 6}, "lacks 6, or zscr does not know its value"),
        ({"do_resize": False}, "has do_resize false, but zscr always does so"),
        ({"crop_size": 9}, "makes images of 9 pixels for a graph that takes 8 x 8"),
    ],
)
def test_preprocessing_is_never_guessed(
    published: Callable[..., Path], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    """What is missing, unknown, switched off or of another size is one sentence that names it."""
    with pytest.raises(InputError, match=message):
        convert(published(**changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_incomplete_folders_are_refused(published: Callable[..., Path], tmp_path: Path) -> None:
    """No preprocessing, two graphs, no graph."""
    folder = published()
    shutil.copy(folder / "model.onnx", folder / "other.onnx")
    with pytest.raises(InputError, match="holds 2 ONNX graphs; an image encoder has one"):
        convert(folder, tmp_path / "out")
    (folder / "other.onnx").unlink()
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match="lacks preprocessor_config.json"):
        convert(folder, tmp_path / "out")
    (folder / "model.onnx").unlink()
    with pytest.raises(InputError, match="holds 0 ONNX graphs"):
        convert(folder, tmp_path / "out")


def test_the_pooled_feature_is_found_among_the_outputs(
    published: Callable[..., Path], graph: onnx.ModelProto, tmp_path: Path
) -> None:
    """By its name; several flat outputs without a known name are refused."""
    folder = published()
    value = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", 3])
    both = onnx.ModelProto()
    both.CopyFrom(graph)
    both.graph.output.insert(0, value)
    both.graph.node.append(onnx.helper.make_node("Neg", ["pooler_output"], ["logits"]))
    onnx.save(both, folder / "model.onnx")
    query = Query.of("image", [image(tmp_path / "x.png", 12, 12)])
    encoder = convert(folder, tmp_path / "out")
    pixels = encoder.prepare(query).feeds["pixels"]
    np.testing.assert_allclose(encoder.encode(query), pixels.mean((2, 3)), atol=1e-5)
    for node in both.graph.node:
        for names in (node.input, node.output):
            names[:] = ["other" if name == "pooler_output" else name for name in names]
    both.graph.output[1].name = "other"
    onnx.save(both, folder / "model.onnx")
    with pytest.raises(InputError, match=r"none of the outputs \['logits', 'other'\] is known"):
        convert(folder, tmp_path / "out2")


@pytest.mark.realdata
def test_mobilenet_gives_the_features_of_the_published_graph(
    realdata_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """The real MobileNetV2 on two photos: the features that its own graph gives for the pixels."""
    source, folder = realdata_folder("mobilenet_v2"), realdata_folder("sketchy25") / "photo"
    paths = sorted(folder.glob("*/*.jpg"))[:: len(list(folder.glob("*/*.jpg"))) // 2][:2]
    encoder = convert(source, tmp_path / "out")
    photos = Query.of("image", paths)
    pixels = encoder.prepare(photos).feeds["pixels"]
    assert pixels.shape == (2, 3, 224, 224)
    assert -1 <= pixels.min() < pixels.max() <= 1
    [graph] = source.glob("*.onnx")
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    [expected] = session.run(["features"], {"pixels": pixels})
    np.testing.assert_allclose(encoder.encode(photos), expected, atol=1e-4)
    assert encoder.dim == 1280
    assert np.abs(expected[0] - expected[1]).max() > 0.1
    assert [*encoder.runner.outputs] == ["features"]


@pytest.mark.realdata
def test_large_photos_keep_their_embeddings_though_they_are_decoded_small(
    realdata_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """Three of Flickr's at 1,025 pixels and at 2,051: the cosine to the whole is .998 and more."""
    encoder = convert(realdata_folder("mobilenet_v2"), tmp_path / "out")
    [spec] = encoder.specs
    assert (
        spec["preprocess"]["decode_shorter_side"] == 2 * spec["preprocess"]["resize_shorter_side"]
    )
    paths = []
    for path in sorted(realdata_folder("flickr8k_1k").rglob("*.jpg"))[:3]:
        for side in (1025, 2051):
            with Image.open(path) as photo:
                scale = side / min(photo.size)
                large = photo.resize([round(scale * each) for each in photo.size])
            paths.append(tmp_path / f"{side}{path.name}")
            large.save(paths[-1], quality=90)
    small = encoder.encode(Query.of("image", paths))
    for one in encoder.inputs:
        one.least = None
    whole = encoder.encode(Query.of("image", paths))
    norms = np.linalg.norm(small, axis=1) * np.linalg.norm(whole, axis=1)
    cosines = (small * whole).sum(1) / norms
    assert cosines.min() > 0.998
    assert cosines.min() < 0.99999, "none was decoded small"


CNN = CnnConfig(size=16, widths=(4, 8), epochs=2, batch_size=8)
NUMBERS = partial(ClassNumbers, classes=6)


def train(collection: Collection, out: Path, config: CnnConfig = CNN) -> Encoder:
    items, names = collection.split("seen"), collection.splits["seen"]
    images = [collection.folder / item.image for item in items]
    labels = [names.index(item.class_id) for item in items]
    train_cnn(images, labels, NUMBERS, out, "test", config)
    return load_encoder(out)


@pytest.fixture(scope="module")
def cnn(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return train(read_collection(shapes), tmp_path_factory.mktemp("cnn") / "out")


def test_cnn_has_the_same_bytes_for_the_same_seed(shapes: Path, cnn: Encoder, tmp_path: Path):
    """Whatever torch's global generator is at; another seed gives another graph."""
    torch.manual_seed(99)
    before = torch.get_rng_state()
    again = train(read_collection(shapes), tmp_path / "again")
    assert torch.equal(torch.get_rng_state(), before)
    other = train(read_collection(shapes), tmp_path / "other", CnnConfig(16, (4, 8), 2, 8, seed=8))
    graphs = [encoder.graph.read_bytes() for encoder in (cnn, again, other)]
    assert graphs[0] == graphs[1]
    assert graphs[0] != graphs[2]


def test_cnn_serves_every_batch_and_never_goes_below_zero(shapes: Path, cnn: Encoder) -> None:
    """1, 3 and 8 images at a time: the same non-negative rows."""
    images = Query.of("image", sorted(shapes.glob("*.png"))[:8])
    rows = [cnn.encode(images, batch_size=size) for size in (1, 3, 8)]
    np.testing.assert_allclose(rows[0], rows[2], atol=1e-5)
    np.testing.assert_allclose(rows[1], rows[2], atol=1e-5)
    assert rows[0].shape == (8, 8)
    assert rows[0].min() >= 0
    assert rows[0].std(0).max() > 0
    difference = read_manifest(cnn.graph.parent, "encoder").body["max_abs_difference_to_torch"]
    assert 0 <= difference < 1e-4


def test_cnn_is_trained_without_what_cannot_be_decoded(
    shapes: Path, cnn: Encoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged file among the images leaves the others with their own classes, and is told."""
    collection = read_collection(shapes)
    items, names = collection.split("seen"), collection.splits["seen"]
    images = [shapes / str(item.image) for item in items]
    labels = [names.index(item.class_id) for item in items]
    (tmp_path / "broken.png").write_bytes(b"no image")
    images.insert(5, tmp_path / "broken.png")
    labels.insert(5, 3)
    train_cnn(images, labels, NUMBERS, tmp_path / "out", "test", CNN)
    assert (tmp_path / "out/model.onnx").read_bytes() == cnn.graph.read_bytes()
    assert "is trained without 1 images, such as: " in capsys.readouterr().err
    with pytest.raises(InputError, match="none of 1 images can be decoded: .*broken.png"):
        train_cnn(images[5:6], [0], NUMBERS, tmp_path / "none", "test", CNN)


def test_cnn_learns_to_tell_classes_apart(shapes: Path, tmp_path: Path) -> None:
    """Trained for longer, an image is nearest to another of its class; at first half of them."""
    collection = read_collection(shapes)
    encoder = train(collection, tmp_path / "out", CnnConfig(32, (8, 16, 32), 80, 8))
    items = collection.split("seen")
    rows = encoder.encode(Query.of("image", [shapes / item.image for item in items]))
    rows = rows - rows.mean(0)
    scores = rows @ rows.T / np.linalg.norm(rows, axis=1)
    np.fill_diagonal(scores, -np.inf)
    classes = np.array([item.class_id for item in items])
    assert (classes[scores.argmax(0)] == classes).mean() > 0.8


def test_both_sides_given_means_no_crop(published: Callable[..., Path], tmp_path: Path) -> None:
    """`size: {height, width}`, as ViT's and SigLIP's processors write it, squashes to a square."""
    both = {"height": 8, "width": 8}
    encoder = convert(published(size=both, do_center_crop=False), tmp_path / "out")
    photo = Image.effect_noise((20, 10), 60).convert("RGB")
    square = photo.resize((8, 8), Image.Resampling.BICUBIC)
    both = Query.of("image", [photo, square])
    found = [encoder.prepare([query]).feeds["pixels"] for query in both]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    "size", [{"height": 8, "width": 9}, {"shortest_edge": 8, "longest_edge": 16}]
)
def test_sizes_that_cannot_be_made_are_refused(
    published: Callable[..., Path], tmp_path: Path, size: dict[str, int]
) -> None:
    """Images that are not square, or of no one size, are not approximated."""
    with pytest.raises(InputError, match='no squares|lacks "size'):
        convert(published(size=size), tmp_path / "out")
