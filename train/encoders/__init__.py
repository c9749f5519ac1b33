"""Making frozen encoders: converting published ones to ONNX and training small ones."""
