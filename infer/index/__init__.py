"""The index: a folder of gallery embeddings that is searched and extended."""
