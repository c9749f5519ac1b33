"""Options that several commands share: how graphs are run, and how answers are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zscr.options import memory_option, verify_option
from zscr.progress import say

if TYPE_CHECKING:
    from zscr.infer.runners.runner import Runtime


def runtime_options(command: Any) -> Any:
    """Add how graphs are run: precision, backend, threads, fallback, verification, and memory."""
    precision = click.option(
        "--precision",
        metavar="NAME",
        help="Of the graphs that answer queries, such as fp32 [the fastest that the bundle's "
        "export kept, where this processor has its instructions].",
    )
    return precision(_machine_options(command))


def encoding_options(command: Any) -> Any:
    """Add how the graph that encodes a gallery is run; an index is of one precision."""
    precision = click.option(
        "--precision",
        metavar="NAME",
        default="fp32",
        show_default=True,
        help="Of the graph that encodes the images; an index goes on in that it was made in.",
    )
    return precision(_machine_options(command))


def _machine_options(command: Any) -> Any:
    for option in (
        memory_option,
        verify_option,
        click.option(
            "--release-memory",
            is_flag=True,
            help="Give the memory of a batch back after it: a smaller process between batches.",
        ),
        click.option(
            "--allow-fallback", is_flag=True, help="Let CUDA and TensorRT fall back to the CPU."
        ),
        click.option(
            "--threads",
            type=click.IntRange(1),
            help="Cores to decode and compute on [all that may be used].",
        ),
        click.option(
            "--backend",
            default="ort-cpu",
            show_default=True,
            help="ort-cpu, openvino, ort-cuda, trt (TensorRT), or auto: ort-cuda where it can be "
            "had, else ort-cpu.",
        ),
    ):
        command = option(command)
    return command


def answer_options(command: Any) -> Any:
    """Add how many images are found, from which score on, and where and how they are written."""
    for option in (
        click.option(
            "--out",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write here instead of stdout ('-').",
        ),
        click.option(
            "--format",
            "style",
            type=click.Choice(["table", "jsonl", "csv", "html", "paths"]),
            help="Form of the answers [a table on a terminal, JSON lines elsewhere].",
        ),
        click.option(
            "--min-score", type=float, metavar="S", help="Leave out images that score less."
        ),
        click.option(
            "-k", type=click.IntRange(1), default=10, show_default=True, help="Images a query."
        ),
    ):
        command = option(command)
    return command


@contextmanager
def resumable() -> Iterator[None]:
    """Say, where Ctrl-C ends the embedding of images, that it was not for nothing."""
    try:
        yield
    except KeyboardInterrupt:
        say("what is embedded so far is kept: the same command goes on from there")
        raise


def make_runtime(
    backend: str,
    threads: int | None,
    allow_fallback: bool,
    release_memory: bool,
    precision: str | None = None,
) -> Runtime:
    """Build the runtime that the options describe."""
    from zscr.infer.runners.runner import Runtime

    return Runtime(backend, threads, allow_fallback, release_memory, precision)
