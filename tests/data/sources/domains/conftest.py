"""Trees of published sets in small: lists and tiny images, each of its own colour."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a tree: lists by their paths, and images by theirs."""

    def make(name: str, lists: dict[str, str], images: Iterable[str]) -> Path:
        top = tmp_path / name
        for number, image in enumerate(images):
            (top / image).parent.mkdir(parents=True, exist_ok=True)
            colour = (number % 256, number // 256, 77)
            Image.new("RGB", (4, 4), colour).save(top / image, format="PNG")
        for path, text in lists.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(text)
        return top

    return make
