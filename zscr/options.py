"""Options that commands of several packages share."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from zscr.memory import DECODING, return_freed_memory

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


class NamedPath(click.Path):
    """A path that is not empty: "", as of an unset variable, would be the current folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return the path; exit 2 says that it is empty."""
        if not os.fspath(value):
            self.fail("it is empty; name a file or folder ('.' is the current one)", param, ctx)
        return super().convert(value, param, ctx)


def memory_option(command: Any) -> Any:
    """Add `--memory`, which bounds what decoding images takes in this process."""

    def limit(_context: click.Context, _option: click.Parameter, size: str | None) -> None:
        DECODING.set_limit(None if size is None else bytes_of(size))
        return_freed_memory()

    return click.option(
        "--memory",
        metavar="SIZE",
        expose_value=False,
        callback=limit,
        help="Memory to decode images in, such as 2GB [a quarter of what the process may use].",
    )(command)


def verify_option(command: Any) -> Any:
    """Add `--verify`: what was proven of files before is proven anew."""

    def prove(context: click.Context, _option: click.Parameter, asked: bool) -> None:
        from zscr.proven import verifying

        context.with_resource(verifying(asked))

    return click.option(
        "--verify",
        is_flag=True,
        expose_value=False,
        callback=prove,
        help="Hash every file, also those that have not changed since they were hashed.",
    )(command)


def offline_option(command: Any) -> Any:
    """Add `--offline`: models that are named are not asked for on any hub."""
    return click.option(
        "--offline",
        is_flag=True,
        default=None,
        help="Ask no hub for models; take what was fetched before [HF_HUB_OFFLINE].",
    )(command)


def bytes_of(size: str) -> int:
    """Read a size such as `500MB`, `2G` or `1.5GiB`; without a unit it is bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]I?)?B?", size.strip().upper())
    if not found or not float(found[1]):
        raise click.BadParameter(f"{size!r} is no size; write such as 500MB or 2GB")
    return int(float(found[1]) * _UNITS[found[2] or ""])
