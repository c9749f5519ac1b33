"""`zscr data`: make, convert, check and look into collections."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from zscr.errors import ArtefactError

if TYPE_CHECKING:
    from zscr.data.summary import Summary

FOLDER = click.Path(path_type=Path)


def amount(value: object) -> float | int:
    """Read a number of classes (`5`) or a share of them (`0.2`)."""
    text = str(value)
    return int(text) if text.lstrip("-").isdigit() else float(text)


@click.group()
def data() -> None:
    """Make, convert, check and look into collections."""


@data.command()
@click.argument("name", type=click.Choice(["aviary"]), default="aviary")
@click.option("--out", type=FOLDER, help="The collection to make [collections/NAME].")
@click.option("--seed", default=7, show_default=True, help="Of all that is drawn by chance.")
@click.option("--images", default=24, show_default=True, help="Images of each species.")
def make(name: str, out: Path | None, seed: int, images: int) -> None:
    """Make the procedural collection NAME; needs no download.

    \b
    Example:
      zscr data make aviary --seed 3 --out aviary-3
    """
    from zscr.data.aviary import make_aviary

    out = out or Path("collections") / name
    make_aviary(out, seed=seed, images=images)
    _report(out)


@data.group()
def convert() -> None:
    """Convert a published data set or a folder of images into a collection."""


@convert.command()
@click.argument("source", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The collection to make.")
@click.option("--val", type=amount, default=0.2, show_default=True, help="Held-out seen classes.")
@click.option("--seed", default=7, show_default=True, help="Of the validation classes.")
def zscrgan(source: Path, out: Path, val: float | int, seed: int) -> None:
    """Convert SOURCE, a folder or ZIP that ZSCRGAN's authors published (four pickles).

    \b
    Example:
      zscr data convert zscrgan CUB.zip --out cub
    """
    from zscr.data.sources.zscrgan.convert import convert_zscrgan

    convert_zscrgan(source, out, val_classes=val, seed=seed)
    _report(out)


@convert.command()
@click.argument("source", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The collection to make.")
@click.option("--split", type=click.Choice(["21", "25"]), default="21", show_default=True)
@click.option("--names", type=FOLDER, help="LVIS's categories [clip_text_names.zip beside SOURCE].")
@click.option("--seed", default=7, show_default=True, help="Of the validation classes.")
def sketchy25(
    source: Path, out: Path, split: Literal["21", "25"], names: Path | None, seed: int
) -> None:
    """Convert SOURCE, a folder or ZIP of Sketchy photos and sketches.

    \b
    Example:
      zscr data convert sketchy25 sketchy25.zip --out sketchy --split 25
    """
    from zscr.data.sources.sketchy import convert_sketchy

    convert_sketchy(source, out, split=split, seed=seed, names=names)
    _report(out)


@convert.command("sketchy25-clip")
@click.argument("source", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The collection to make.")
@click.option("--split", type=click.Choice(["21", "25"]), default="21", show_default=True)
@click.option("--names", type=FOLDER, help="The vectors [clip_text_names.zip beside SOURCE].")
@click.option("--seed", default=7, show_default=True, help="Of the validation classes.")
def sketchy25_clip(
    source: Path, out: Path, split: Literal["21", "25"], names: Path | None, seed: int
) -> None:
    """Convert SOURCE, Sketchy's photos, with CLIP vectors of the classes' names as texts.

    \b
    Example:
      zscr data convert sketchy25-clip sketchy25.zip --out sketchy-clip
    """
    from zscr.data.sources.sketchy_clip import convert_sketchy_clip

    convert_sketchy_clip(source, out, split=split, seed=seed, names=names)
    _report(out)


@convert.command()
@click.argument("source", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The collection to make.")
@click.option("--seed", default=7, show_default=True, help="Of the choice of classes.")
def wiki(source: Path, out: Path, seed: int) -> None:
    """Convert SOURCE, a folder or ZIP of WIKI's features, with 5 unseen classes of 10.

    \b
    Example:
      zscr data convert wiki wiki_rasiwasia.zip --out wiki
    """
    from zscr.data.sources.wiki import convert_wiki

    convert_wiki(source, out, seed=seed)
    _report(out)


@convert.command()
@click.argument("source", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The collection to make.")
@click.option("--seed", default=7, show_default=True, help="Of the choice of types and products.")
def fashion44k(source: Path, out: Path, seed: int) -> None:
    """Convert SOURCE, a folder or ZIP of products, with 20 unseen article types.

    \b
    Example:
      zscr data convert fashion44k fashion44k.zip --out fashion
    """
    from zscr.data.sources.fashion import convert_fashion

    convert_fashion(source, out, seed=seed)
    _report(out)


@convert.command()
@click.argument("source", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The collection to make.")
@click.option("--val", type=amount, default=0.2, show_default=True, help="Held-out seen classes.")
@click.option("--seed", default=7, show_default=True, help="Of the validation classes.")
def awa(source: Path, out: Path, val: float | int, seed: int) -> None:
    """Convert SOURCE, images with a matrix of class attributes in AWA2's format.

    \b
    Example:
      zscr data convert awa Animals_with_Attributes2 --out awa2
    """
    from zscr.data.sources.awa import convert_awa

    convert_awa(source, out, val=val, seed=seed)
    _report(out)


@convert.command()
@click.argument("source", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The collection to make.")
@click.option("--unseen", type=amount, default=0.2, show_default=True, help="Test classes.")
@click.option("--val", type=amount, default=0.2, show_default=True, help="Of the other classes.")
@click.option("--seed", default=7, show_default=True, help="Of the choice of classes.")
def folder(source: Path, out: Path, unseen: float | int, val: float | int, seed: int) -> None:
    """Convert SOURCE, a folder with a subfolder of images for each class.

    \b
    Example:
      zscr data convert folder photos/ --out photos-collection --unseen 10
    """
    from zscr.data.sources.folder import convert_folder

    convert_folder(source, out, seed=seed, unseen=unseen, val=val)
    _report(out)


@data.command()
@click.argument("path", type=FOLDER)
def check(path: Path) -> None:
    """Hash every file of the collection PATH and decode every image.

    \b
    Example:
      zscr data check collections/aviary
    """
    from zscr.data.check import check_collection

    report = check_collection(path)
    for fault in report.faults:
        click.echo(fault, err=True)
    if report.faults:
        raise ArtefactError(f"{path} has {len(report.faults)} faults; make it again")
    click.echo(f"{path} is sound: {report.files} files hashed, {report.images} images decoded")


@data.command()
@click.argument("path", type=FOLDER)
@click.option("--format", "style", type=click.Choice(["table", "json"]), default="table")
def info(path: Path, style: str) -> None:
    """Show what the collection PATH holds, by split and by class.

    \b
    Example:
      zscr data info collections/aviary --format json
    """
    summary = _summary(path)
    if style == "json":
        click.echo(json.dumps(asdict(summary), ensure_ascii=False, indent=1))
        return
    click.echo(f"{summary.name}: {summary.protocol}\n{summary.queries} queries\n")
    click.echo(_table(summary.splits) + "\n\n" + _table(summary.classes))


def _summary(path: Path) -> Summary:
    from zscr.data.collection import read_collection
    from zscr.data.summary import summarise

    return summarise(read_collection(path))


def _report(path: Path) -> None:
    """Say on stderr what was made, and on stdout where."""
    summary = _summary(path)
    for part in summary.splits:
        click.echo(f"{part.split}: {part.classes} classes, {part.items} items", err=True)
    faults = path / "errors.jsonl"
    if faults.exists():
        count = len(faults.read_text("utf-8").splitlines())
        click.echo(f"{count} sources could not be used: see {faults}", err=True)
    click.echo(path)


def _table(rows: Sequence[object]) -> str:
    """Lay out dataclasses of one kind as columns under the names of their fields."""
    head = tuple(field.name for field in fields(rows[0]))  # type: ignore[arg-type]
    lines = [head, *(tuple(map(str, astuple(row))) for row in rows)]  # type: ignore[call-overload]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
