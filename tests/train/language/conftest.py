"""Fixtures: text towers that are drawn once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.train.language.clip_towers import clip_text


@pytest.fixture(scope="session")
def text_model() -> Callable[[str], Any]:
    """Return a function: shape -> transformers' text tower of two layers, drawn once."""
    return cache(lambda shape: clip_text(shape, layers=2))
