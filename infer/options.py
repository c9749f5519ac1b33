"""Options that several commands share: how graphs are run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zscr.options import memory_option

if TYPE_CHECKING:
    from zscr.infer.runners.runner import Runtime


def runtime_options(command: Any) -> Any:
    """Add how graphs are run: provider, threads, fallback, and memory to decode images in."""
    for option in (
        memory_option,
        click.option("--allow-fallback", is_flag=True, help="Let CUDA fall back to the CPU."),
        click.option(
            "--threads",
            type=click.IntRange(1),
            help="Cores to decode and compute on [all that may be used].",
        ),
        click.option("--provider", default="cpu", show_default=True, help="cpu or cuda."),
    ):
        command = option(command)
    return command


def make_runtime(provider: str, threads: int | None, allow_fallback: bool) -> Runtime:
    """Build the runtime that the options describe."""
    from zscr.infer.runners.runner import Runtime

    return Runtime(provider, threads, allow_fallback)
