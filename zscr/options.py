"""Options that commands of several packages share."""

from __future__ import annotations

import re
from typing import Any

import click

from zscr.memory import DECODING, return_freed_memory

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


class Size(click.ParamType):
    """Bytes, such as `500MB`, `2G` or `1.5GiB`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]I?)?B?", str(value).strip().upper())
        if not found or not float(found[1]):
            self.fail(f"{value!r} is no size; write such as 500MB or 2GB", param, ctx)
        return int(float(found[1]) * _UNITS[found[2] or ""])


def memory_option(command: Any) -> Any:
    """Add `--memory`, which bounds what decoding takes in this process."""

    def limit(_context: click.Context, _option: click.Parameter, size: int | None) -> None:
        DECODING.set_limit(size)
        return_freed_memory()

    return click.option(
        "--memory",
        type=Size(),
        expose_value=False,
        callback=limit,
        help="Bytes to decode images in, such as 2GB [a quarter of what the process may use].",
    )(command)
