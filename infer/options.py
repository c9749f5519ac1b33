"""Options that several commands share: how graphs are run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from zscr.infer.runners.runner import Runtime


def runtime_options(command: Any) -> Any:
    """Add how graphs are run: provider, threads, fallback."""
    for option in (
        click.option("--allow-fallback", is_flag=True, help="Let CUDA fall back to the CPU."),
        click.option("--threads", type=click.IntRange(1), help="Cores to use [all that may be]."),
        click.option("--provider", default="cpu", show_default=True, help="cpu or cuda."),
    ):
        command = option(command)
    return command


def make_runtime(provider: str, threads: int | None, allow_fallback: bool) -> Runtime:
    """Build the runtime that the options describe."""
    from zscr.infer.runners.runner import Runtime

    return Runtime(provider, threads, allow_fallback)
