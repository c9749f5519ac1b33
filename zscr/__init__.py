"""zscr: train zero-shot cross-modal image retrieval, export it, answer queries fast."""

__version__ = "0.1.0"
