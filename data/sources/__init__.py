"""One published benchmark, or one way of bringing one's own images, a module."""
