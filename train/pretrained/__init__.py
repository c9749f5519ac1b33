"""Dual encoders that others trained: checkpoints of transformers and OpenCLIP, as two towers."""
