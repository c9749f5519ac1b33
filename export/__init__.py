"""From a run to a bundle: ONNX graphs with proof of parity, and TensorRT engines."""
