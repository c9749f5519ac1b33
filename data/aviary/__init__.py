"""The embedded collection: procedural birds."""
