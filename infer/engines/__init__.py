"""TensorRT engines in the cache beside a bundle: which there are, whose, and which may run here."""
