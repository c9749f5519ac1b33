"""`zscr data`: make, convert, check and look into collections."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, astuple, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zscr.artefact import make_alone
from zscr.data.describe.commands import describe
from zscr.data.options import OPTIONS
from zscr.errors import ArtefactError
from zscr.options import NamedPath, memory_option
from zscr.printable import printable, printable_json, shown_on
from zscr.progress import say

if TYPE_CHECKING:
    from zscr.data.known_source import Source
    from zscr.data.summary import Summary

FOLDER = NamedPath()


@click.group()
def data() -> None:
    """Make, convert, describe, check and look into collections."""


data.add_command(describe)


@data.command()
@click.argument("name", type=click.Choice(["aviary"]), default="aviary")
@click.option("--out", type=FOLDER, help="The collection to make [collections/NAME].")
@click.option("--seed", default=7, show_default=True, help="Of all that is drawn by chance.")
@click.option("--seen", default=600, show_default=True, help="Seen species.")
@click.option("--images", default=4, show_default=True, help="Images of each seen species.")
@click.option(
    "--held-out-images",
    default=24,
    show_default=True,
    help="Images of each validation and unseen species.",
)
@click.option("--sketches", is_flag=True, help="Draw a sketch of each image, too.")
def make(name: str, out: Path | None, **options: Any) -> None:
    """Make the procedural collection NAME; needs no download.

    \b
    Example:
      zscr data make aviary --seed 3 --out aviary-3
      zscr data make aviary --sketches --out aviary-sketches
    """
    from zscr.data.aviary import make_aviary

    out = out or Path("collections") / name
    make_alone(out, partial(make_aviary, **options))
    _report(out)


class _Sources(click.Group):
    """A group with a command for each collection of the registry that has a source."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from zscr.data.known_collections import COLLECTIONS

        return [name for name, source in COLLECTIONS.items() if source.what]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from zscr.data.known_collections import COLLECTIONS

        known = cmd_name in self.list_commands(ctx)
        return _converter(cmd_name, COLLECTIONS[cmd_name]) if known else None


def _converter(name: str, source: Source) -> click.Command:
    """Return the command that converts one collection, with the options that it has."""

    def body(source_path: Path, out: Path, **options: Any) -> None:
        make_alone(out, partial(source.function(), source_path, **options))
        _report(out)

    body.__doc__ = (
        f"Convert SOURCE, {source.what}.\n\n\b\nExample:\n"
        f"  zscr data convert {name} {source.example} --out collections/{name}"
    )
    body = memory_option(body)
    for option in reversed(source.options):
        body = OPTIONS[option](body)
    body = click.option("--out", type=FOLDER, required=True, help="The collection to make.")(body)
    return click.command(name)(click.argument("source_path", metavar="SOURCE", type=FOLDER)(body))


@data.group(cls=_Sources)
def convert() -> None:
    """Convert a published data set or a folder of images into a collection."""


@data.command()
@click.argument("path", type=FOLDER)
@memory_option
def check(path: Path) -> None:
    """Hash every file of the collection PATH, decode every image and check its tasks.

    \b
    Example:
      zscr data check collections/aviary
    """
    from zscr.data.check import check_collection

    report = check_collection(path)
    for fault in report.faults:
        say(fault)
    if report.faults:
        raise ArtefactError(f"{path} has {len(report.faults)} faults; make it again")
    click.echo(
        f"{printable(path)} is sound: {report.files} files hashed, {report.images} images decoded"
    )


@data.command()
@click.argument("path", type=FOLDER)
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the answer.",
)
def info(path: Path, style: str) -> None:
    """Show what the collection PATH holds, by split, task and class.

    \b
    Example:
      zscr data info collections/aviary --format json
    """
    summary = _summary(path)
    if style == "json":
        click.echo(printable_json(asdict(summary), indent=1))
        return
    parts = (summary.splits, summary.tasks, summary.descriptions, summary.classes)
    tables = [_table(rows) for rows in parts if rows]
    about = printable(f"{summary.name}: {summary.protocol}")
    click.echo(f"{about}\n\n" + "\n\n".join(tables))


def _summary(path: Path) -> Summary:
    from zscr.data.collection import read_collection
    from zscr.data.summary import summarise

    return summarise(read_collection(path))


def _report(path: Path) -> None:
    """Say on stderr what was made, and on stdout where."""
    from zscr.data.registry import tell_skipped

    summary = _summary(path)
    for part in summary.splits:
        classes = f"{part.classes} classes, " if summary.classes else ""
        say(f"{part.split}: {classes}{part.items} items")
    tell_skipped(path)
    click.echo(shown_on(sys.stdout)(path), color=True)  # or click would take an ESC out of it


def _table(rows: Sequence[object]) -> str:
    """Lay out dataclasses of one kind as columns under the names of their fields."""
    head = tuple(field.name for field in fields(rows[0]))  # type: ignore[arg-type]
    lines = [head, *(tuple(map(printable, astuple(row))) for row in rows)]  # type: ignore[call-overload]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
