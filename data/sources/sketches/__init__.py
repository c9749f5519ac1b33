"""Sketches that ask for photos of their class: published lists, and folders of domains."""
