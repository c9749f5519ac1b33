"""Training: methods, the loop, checkpoints and encoders. Needs the extra `train`."""
