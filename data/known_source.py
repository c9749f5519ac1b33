"""How one collection is made, and what it holds: a row of `zscr.data.known_collections`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Source:
    """One collection, or one kind of them.

    Attributes:
        make: the function that makes it, as `module:function`: it is imported on use alone.
        texts, images: what the collection holds, for docs/collections.md.
        what: the SOURCE that it is converted from; empty where it is made of nothing.
        example: such a SOURCE.
        options: the function's parameters that `zscr data convert` offers.
        arguments: the function's parameters that are the same for everyone.
        archive: the ZIP or folder below `ZSCR_DATA` that it is made of by its name alone.
    """

    make: str
    texts: str
    images: str
    what: str = ""
    example: str = ""
    options: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    archive: str | None = None

    def function(self) -> Callable[..., None]:
        """Import the function that makes it, its fixed arguments filled in."""
        module, name = self.make.split(":")
        return partial(getattr(importlib.import_module(module), name), **self.arguments)
