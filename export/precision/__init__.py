"""Graphs in fewer bits than float32: made, judged on real queries, and kept if they retrieve."""
