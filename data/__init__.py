"""Collections: reading, writing, checking and making them. Needs neither torch nor onnx."""
