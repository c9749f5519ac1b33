"""Showing a page of answers in the user's browser."""

from __future__ import annotations

import os
import sys
import tempfile
import webbrowser
from pathlib import Path

from zscr.progress import say


def new_page() -> Path:
    """Return where a page is to be written: in a new folder that only the user may look into."""
    return Path(tempfile.mkdtemp(prefix="zscr-find-")) / "found.html"


def open_page(page: Path) -> None:
    """Say where a page is, and open it, if there is a display; its owner may also open it later."""
    shown = _has_display() and webbrowser.open(page.absolute().as_uri())
    say(f"the page is {page}" if shown else f"there is no browser here to open; the page is {page}")


def _has_display() -> bool:
    """Say whether a browser would have a window: a text browser would take over the terminal."""
    named = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform == "darwin" or any(os.environ.get(name) for name in named)
