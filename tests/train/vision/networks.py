"""A small convolutional network with what published ones have, as a frozen encoder's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

from zscr.train.encoders.folder import write_encoder
from zscr.train.encoders.image import pixel_spec
from zscr.train.encoders.onnx import IR_VERSION, OPSET

PREPROCESS = {"image_size": 32, "resize_shorter_side": 32, "resample": "bilinear"}
PREPROCESS |= {"rescale": 1 / 255, "mean": [0.5] * 3, "std": [0.5] * 3}
# As TensorFlow pads: a step of 2 pads below and on the right alone. Every Clip has its own range.
NETWORK = f"""<ir_version: {IR_VERSION}, opset_import: ["": {OPSET}]>
net (float[batch, 3, 32, 32] pixels) => (float[batch, 16] features)
<int64[2] places = {{2, 3}}, int64 one = {{1}}, int64[1] width = {{16}},
 float low = {{-0.3}}, float high = {{0.4}}, float least = {{0}}, float most = {{6}}> {{
    stem = Conv <strides = [2, 2], pads = [0, 0, 1, 1], kernel_shape = [3, 3]> (pixels, w0, b0)
    scaled = BatchNormalization <epsilon = 0.01> (stem, gain, bias, mean, variance)
    first = Clip (scaled, least, most)
    inner = Conv <group = 8, pads = [1, 1, 1, 1], kernel_shape = [3, 3]> (first, w1, b1)
    bounded = Clip (inner, low, high)
    summed = Add (bounded, first)
    block = HardSwish (summed)
    halved = Conv <strides = [2, 2], pads = [0, 0, 1, 1], kernel_shape = [3, 3]> (block, w2)
    wide = Relu (halved)
    squeezed = GlobalAveragePool (wide)
    weighed = Conv <kernel_shape = [1, 1]> (squeezed, w3, b3)
    gate = Sigmoid (weighed)
    last = Mul (wide, gate)
    pooled = ReduceMean <keepdims = 1> (last, places)
    images = Shape <start = 0, end = 1> (pixels)
    shape = Concat <axis = 0> (images, width)
    features = Reshape (pooled, shape)
}}"""
WEIGHTS = {"w0": (8, 3, 3, 3), "b0": (8,), "gain": (8,), "bias": (8,), "mean": (8,)}
WEIGHTS |= {"w1": (8, 1, 3, 3), "b1": (8,), "w2": (16, 8, 3, 3), "w3": (16, 16, 1, 1), "b3": (16,)}


def network(text: str = NETWORK) -> onnx.ModelProto:
    """Return the graph with random weights."""
    model, rng = onnx.parser.parse_model(text), np.random.default_rng(3)
    arrays = {name: rng.standard_normal(shape, np.float32) / 2 for name, shape in WEIGHTS.items()}
    arrays["variance"] = rng.random(8, np.float32) + 0.5
    model.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in arrays.items())
    return model


def save(folder: Path, model: onnx.ModelProto) -> Path:
    """Write a graph as a frozen encoder's folder."""
    onnx.checker.check_model(model)
    write_encoder(folder, folder.name, model, pixel_spec(PREPROCESS), {})
    return folder


def narrowed(folder: Path) -> Path:
    """Save the network with 10 features of its map's 16 channels, as behind a classifier."""
    text = NETWORK.replace(
        "features = Reshape (pooled, shape)",
        "flat = Reshape (pooled, shape)\n    features = MatMul (flat, w4)",
    ).replace("16] features", "10] features")
    model = network(text)
    model.graph.initializer.append(numpy_helper.from_array(np.eye(16, 10, dtype=np.float32), "w4"))
    return save(folder, model)
