"""`zscr engine`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zscr.options import NamedPath, bytes_of
from zscr.printable import printable, printable_json
from zscr.progress import say

if TYPE_CHECKING:
    from zscr.infer.engines.listing import Row

_LATEST = "bundles/latest"
_DAYS = {"h": 1 / 24, "d": 1, "w": 7}

bundles_argument = click.argument("bundles", metavar="[BUNDLE]...", type=NamedPath(), nargs=-1)


def target_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--target`."""
    return click.option(
        "--target",
        "targets",
        multiple=True,
        metavar="SM",
        help="GPUs to build engines for, such as sm86, sm86,sm120 or current; repeatable.",
    )(command)


def workspace_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--workspace`."""

    def read(_context: click.Context, _option: click.Parameter, size: str | None) -> int | None:
        limit = None if size is None else bytes_of(size)
        if limit == 0:
            raise click.BadParameter("an engine needs some workspace; leave it out for no limit")
        return limit

    return click.option(
        "--workspace",
        metavar="SIZE",
        callback=read,
        help="Memory of the GPU that a layer may use beside its tensors, such as 512MiB.",
    )(command)


@click.group()
def engine() -> None:
    """Build TensorRT engines of bundles, and see which of them may be used here.

    Engines are caches: they stand beside a bundle, in BUNDLE.engines, and can be made again of its
    graphs. Each is bound to one graph, one version of TensorRT and its GPUs, and sealed with a key
    of the user who built it; no other is ever loaded.
    """


@engine.command()
@click.argument("bundle", type=NamedPath(), default=_LATEST)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    metavar="NAME",
    help="Of graphs in fp32, fp16, bf16, int8 or int4, or all that BUNDLE has [fp32]; repeatable.",
)
@click.option(
    "--graph", "graphs", multiple=True, metavar="NAME", help="Of this one alone [all]; repeatable."
)
@target_option
@workspace_option
def build(
    bundle: Path,
    precisions: tuple[str, ...],
    graphs: tuple[str, ...],
    targets: tuple[str, ...],
    workspace: int | None,
) -> None:
    """Build engines of the graphs of BUNDLE [bundles/latest]; those that are there are kept.

    \b
    Example:
      zscr engine build
      zscr engine build bundles/latest --precision all --target sm86,sm120
    """
    from zscr.export.tensorrt.engines import build_engines

    for folder in build_engines(
        bundle, targets=targets, precisions=precisions, graphs=graphs, workspace=workspace
    ):
        click.echo(printable(folder))


@engine.command("list")
@bundles_argument
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "jsonl"]),
    help="Form of the list [a table on a terminal, JSON lines elsewhere].",
)
def list_(bundles: tuple[Path, ...], style: str | None) -> None:
    """List engines of BUNDLEs [all in bundles/ and of the user's own models].

    A state is one of these: usable; elsewhere, for a GPU or a library that is not here; stale, of
    a graph, a version or a driver that is gone; foreign, not built by this user; damaged.

    \b
    Example:
      zscr engine list
      zscr engine list bundles/latest --format jsonl
    """
    from zscr.infer.engines.table import engines_table

    rows = _rows(bundles)
    if not rows:
        say("there are no engines; 'zscr engine build' makes those of a bundle")
    elif (style or ("table" if sys.stdout.isatty() else "jsonl")) == "table":
        click.echo(engines_table(rows))
    else:
        for row in rows:
            click.echo(printable_json(row.to_json()))


@engine.command()
@click.argument("bundle", type=NamedPath(), default=_LATEST)
def explain(bundle: Path) -> None:
    """Say of each graph of BUNDLE [bundles/latest] which engine runs it here, or why none does.

    \b
    Example:
      zscr engine explain
    """
    from zscr.infer.engines.listing import explained

    for line in explained(bundle):
        click.echo(printable(line))


@engine.command()
@bundles_argument
def verify(bundles: tuple[Path, ...]) -> None:
    """Hash the engines of BUNDLEs [all] and check their seals; the exit code is 1 on any fault.

    \b
    Example:
      zscr engine verify
    """
    from zscr.errors import ArtefactError
    from zscr.infer.engines.listing import faults_of

    rows, faults = _rows(bundles), 0
    for row, fault in faults_of(rows):
        faults += fault is not None
        click.echo(printable(f"{row.judged.folder} is {'sound' if fault is None else 'refused'}"))
        if fault is not None:
            say(f"{row.judged.folder.name}: {fault}")
    if faults:
        raise ArtefactError(
            f"{faults} of {len(rows)} engines may not be loaded; 'zscr engine build' makes them "
            f"again"
        )


@engine.command()
@bundles_argument
@click.option("--dry-run", is_flag=True, help="Say what would be removed.")
@click.option("--older-than", metavar="AGE", help="Only those built before, such as 12h, 30d, 4w.")
def prune(bundles: tuple[Path, ...], dry_run: bool, older_than: str | None) -> None:
    """Remove the stale and the damaged engines of BUNDLEs [all].

    Engines for other GPUs, and those of other users, stay.

    \b
    Example:
      zscr engine prune --dry-run
      zscr engine prune --older-than 30d
    """
    from zscr.infer.engines.listing import prunable
    from zscr.infer.engines.listing import prune as remove

    rows = prunable(_rows(bundles), None if older_than is None else _age(older_than))
    for row in rows:
        click.echo(printable(f"{row.judged.folder}: {row.judged.state}: {row.judged.why}"))
    if dry_run:
        say(f"{len(rows)} engines would be removed")
    else:
        say(f"removed {len(rows)} engines of {remove(rows) / 1e6:.1f} MB")


def _rows(bundles: tuple[Path, ...]) -> list[Row]:
    from zscr.infer.engines.listing import bundles_with_engines, list_engines, require_there
    from zscr.infer.models.installed import models_folder
    from zscr.infer.models.listing import BUNDLES

    for bundle in bundles:
        require_there(bundle)
    return list(list_engines(bundles or bundles_with_engines((BUNDLES, models_folder()))))


def _age(told: str) -> timedelta:
    found = re.fullmatch(r"(\d+)([hdw])", told)
    if not found:
        raise click.BadParameter(f"{told!r} is no age; write such as 12h, 30d or 4w")
    return timedelta(days=int(found[1]) * _DAYS[found[2]])
