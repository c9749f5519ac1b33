"""The embedded collection: procedural birds."""

from __future__ import annotations

from zscr.data.aviary.make import make_aviary

__all__ = ["make_aviary"]
