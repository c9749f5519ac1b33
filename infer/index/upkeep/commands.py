"""`zscr index verify | compact | rebuild | repair | merge | info`: of images that it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zscr.errors import ArtefactError
from zscr.infer.index.commands import FOLDER, index
from zscr.printable import printable
from zscr.progress import say

__all__ = ["index"]

threads_option = click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="To build HNSW with."
)


@index.command()
@click.argument("folder", type=FOLDER)
@click.option("--no-images", is_flag=True, help="Leave the images' own files alone.")
def verify(folder: Path, no_images: bool) -> None:
    """Check every file of the index FOLDER, that its images find themselves, and are still there.

    Images that are missing or have changed since are counted, the first of them named, and what to
    do is said; the exit code then is 1, as for an index that is damaged.

    \b
    Example:
      zscr index verify holiday.index
    """
    from zscr.infer.index.told import show_list
    from zscr.infer.index.upkeep.verify import verify_images, verify_index

    report = verify_index(folder)
    click.echo(f"{printable(folder)} is sound: {report.count} images of {report.dim} dimensions")
    click.echo(f"{report.self_recall:.2%} of {report.sample} images find themselves first")
    if no_images:
        return
    found = verify_images(folder)
    click.echo(
        f"of {found.files} files {found.unchanged} are as they were indexed, "
        f"{len(found.missing)} missing, {len(found.changed)} changed, "
        f"{len(found.unreadable)} unreadable"
    )
    for kind in ("missing", "changed", "unreadable"):
        show_list(kind, getattr(found, kind))
    if found.faults:
        raise ArtefactError(f"{found.faults} images of {folder} are not as indexed; {found.advice}")


@index.command()
@click.argument("folder", type=FOLDER)
def compact(folder: Path) -> None:
    """Write the rows of the index FOLDER as one segment, without those that are no longer there.

    Commits do so by themselves, now and then; an index that is to be copied is smallest so.

    \b
    Example:
      zscr index compact holiday.index
    """
    from zscr.infer.index.index import Index

    opened = Index.open(folder.resolve())
    before = len(opened.now.stack.segments)
    done = opened.compact()
    say(f"{before} segments are one" if done else "there is nothing to compact")


@index.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "--store",
    type=click.Choice(["float32", "float16"]),
    help="What vectors are stored as from now on. [as they are]",
)
@click.option(
    "--recall",
    type=click.FloatRange(0, 1, min_open=True),
    help="Of the ten best, what HNSW must find to be chosen, from now on. [as it is, .99 at first]",
)
@threads_option
def rebuild(folder: Path, store: Any, recall: float | None, threads: int) -> None:
    """Build HNSW of the index FOLDER anew, choose the search anew and calibrate; none is embedded.

    float16 takes half the space, and scores are off by up to 0.0005; the vectors are rounded for
    good.

    \b
    Example:
      zscr index rebuild holiday.index
      zscr index rebuild holiday.index --store float16 --recall .999
    """
    from zscr.infer.index.index import Index

    opened = Index.open(folder.resolve())
    opened.rebuild(stored=store, recall=recall, threads=threads)
    say(f"{opened.count} images of {opened.dim} dimensions, {opened.how}")


@index.command()
@click.argument("folder", type=FOLDER)
@click.option("--yes", is_flag=True, help="Images may be lost.")
def repair(folder: Path, yes: bool) -> None:
    """Make the index FOLDER whole again after its files were damaged.

    What can be made of the rest is made anew, such as HNSW. Images whose rows are damaged are lost,
    if --yes says that they may be; `zscr index sync` embeds them again.

    \b
    Example:
      zscr index repair holiday.index --yes
      zscr index sync holiday/ --index holiday.index
    """
    from zscr.infer.index.told import show_list
    from zscr.infer.index.upkeep.repair import repair as mend

    done = mend(folder.resolve(), all_may_go=yes)
    show_list("damaged", done.damaged)
    if not done.damaged:
        say(f"{folder} is sound: {done.left} images")
    else:
        say(f"{folder} is whole again with {done.left} images, {done.lost} are lost")


@index.command()
@click.argument("made", metavar="FOLDER", type=FOLDER)
@click.argument("sources", nargs=-1, required=True, metavar="INDEXES...", type=FOLDER)
@threads_option
def merge(made: Path, sources: tuple[Path, ...], threads: int) -> None:
    """Make the index FOLDER of all that the INDEXES hold, which stay as they are.

    An image that several have is there once. So an index can be made by many jobs, each of which
    adds a share of the images.

    \b
    Example:
      zscr index merge all.index part.1.index part.2.index
    """
    from zscr.infer.index.upkeep.joining import join

    done = join(made.resolve(), [source.resolve() for source in sources], threads=threads)
    again = f", {done.twice} were there twice" if done.twice else ""
    say(f"{made} holds the {done.index.count} images of {len(sources)} indexes{again}")


@index.command()
@click.argument("folder", type=FOLDER)
def info(folder: Path) -> None:
    """Say what the index FOLDER holds.

    \b
    Example:
      zscr index info holiday.index
    """
    from zscr.infer.index.index import Index
    from zscr.infer.index.told import show_list
    from zscr.infer.index.upkeep.about import about

    opened = Index.open(folder.resolve())
    for line in about(opened):
        click.echo(line)
    show_list("skipped", [row["image"] for row in opened.errors])
