"""`zscr index`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zscr.data.options import make_rules, walk_options
from zscr.errors import ArtefactError
from zscr.infer.options import make_runtime, resumable, runtime_options
from zscr.options import NamedPath
from zscr.printable import printable
from zscr.progress import say

if TYPE_CHECKING:
    from zscr.infer.bundle import Bundle

FOLDER = NamedPath()

bundle_option = click.option(
    "--bundle", type=FOLDER, default="bundles/latest", show_default=True, help="The model."
)
index_option = click.option(
    "--index", "folder", type=FOLDER, help="The gallery [the index beside the bundle]."
)
duplicates_option = click.option(
    "--duplicates",
    type=click.Choice(["keep", "link"]),
    help="Files of the same content: each an image of its own, or one image that knows all of its "
    "places; an index goes on as it was made. [keep]",
)


@click.group()
def index() -> None:
    """Make, extend and check an index of images."""


@index.command()
@click.argument("images", nargs=-1, required=True, type=FOLDER)
@index_option
@bundle_option
@click.option("--diffuse", is_flag=True, help="Even embeddings out over images that are alike.")
@duplicates_option
@click.option(
    "--shard",
    metavar="I/N",
    default="1/1",
    help="Only the I-th of N shares of the images; 'zscr index merge' joins them.",
)
@walk_options
@runtime_options
def add(
    images: tuple[Path, ...],
    folder: Path | None,
    bundle: Path,
    diffuse: bool,
    duplicates: str | None,
    shard: str,
    exclude: tuple[str, ...],
    follow_links: bool,
    **runtime: Any,
) -> None:
    """Add IMAGES, files or folders, to an index; it is made if it is absent.

    An image is known by its place: however it is named, it is indexed once. Its id is the folder's
    name and the path below it, such as holiday/cat.jpg; a second folder that is called so becomes
    holiday@2024. What is in the index already and has not changed is not embedded again.

    Hidden folders and those of thumbnails are passed over, and so is what --exclude or a file
    .zscrignore in a folder names; all of it is counted.

    --diffuse makes an index in which each image's embedding is evened out with those of the images
    that look like it; whatever is added later, all of them are diffused anew.

    --shard 3/16 adds a sixteenth of the images, always the same one, so that sixteen jobs may each
    make an index of their own, of which 'zscr index merge' makes one.

    \b
    Example:
      zscr index add holiday/ cat.jpg --index holiday.index
      zscr index add photos/ --exclude 'raw/' --duplicates link
      zscr index add holiday/ --index even.index --diffuse
      zscr query --text "a cat on a wall" --index holiday.index
      zscr index add photos/ --shard 3/16 --index part.3.index
    """
    from zscr.data.listing import Share
    from zscr.infer.index.add import add_images
    from zscr.infer.index.diffusion import Diffusion
    from zscr.infer.index.told import tell

    share, opened = Share.of(shard), _open(bundle, runtime)
    with resumable():
        added = add_images(
            opened,
            folder or opened.index_folder,
            images,
            rules=make_rules(exclude, follow_links),
            linked=_linked(duplicates),
            diffusion=Diffusion() if diffuse else None,
            share=share,
        )
    tell(added)


@index.command()
@click.argument("images", nargs=-1, required=True, type=FOLDER)
@index_option
@bundle_option
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--yes", is_flag=True, help="All images of a folder may be removed.")
@duplicates_option
@walk_options
@runtime_options
def sync(
    images: tuple[Path, ...],
    folder: Path | None,
    bundle: Path,
    dry_run: bool,
    yes: bool,
    duplicates: str | None,
    exclude: tuple[str, ...],
    follow_links: bool,
    **runtime: Any,
) -> None:
    """Make an index hold what the folders IMAGES hold by now, no more and no less of them.

    New images are added and changed ones replaced; moved and renamed ones are found again by their
    content and not embedded again. What is gone is removed, once it was said how many. Images of
    other folders stay. A folder without any image left, as if its disk was not mounted, is refused
    unless --yes is given. Without --exclude and --follow-links, folders are walked as they last
    were.

    \b
    Example:
      zscr index sync photos/ --dry-run
      zscr index sync photos/
    """
    from zscr.infer.index.sync import preview_sync, sync_images
    from zscr.infer.index.told import counts_of, tell

    opened, rules = _open(bundle, runtime), make_rules(exclude, follow_links)
    given = rules if exclude or follow_links else None
    place = folder or opened.index_folder
    how: dict[str, Any] = {"rules": given, "linked": _linked(duplicates), "all_may_go": yes}
    if dry_run:
        preview = preview_sync(opened, place, images, **how)
        say(
            f"would be {counts_of(preview.report)}; {preview.embedded} to embed; nothing is changed"
        )
        return
    with resumable():
        synced = sync_images(opened, place, images, **how)
    tell(synced)


@index.command()
@click.argument("images", nargs=-1, required=True, metavar="IDS-OR-PATHS")
@index_option
@bundle_option
@click.option("--dry-run", is_flag=True, help="Only say how many would be removed.")
def remove(images: tuple[str, ...], folder: Path | None, bundle: Path, dry_run: bool) -> None:
    """Remove images from an index by their IDS-OR-PATHS; the files stay.

    A folder stands for all that the index has of it. Neither files nor folders need to be there
    any more.

    \b
    Example:
      zscr index remove holiday/cat.jpg --index holiday.index
      zscr index remove /media/card/DCIM --dry-run
    """
    from zscr.infer.index.remove import remove_images
    from zscr.infer.index.told import counts_of

    report = remove_images(_place(folder, bundle), images, dry_run=dry_run)
    say(f"{'would be ' if dry_run else ''}{counts_of(report)}")


@index.command()
@click.argument("root")
@click.argument("moved_to", metavar="FOLDER", type=FOLDER)
@index_option
@bundle_option
def relocate(root: str, moved_to: Path, folder: Path | None, bundle: Path) -> None:
    """Tell an index that its folder ROOT lies at FOLDER by now; ids stay, nothing is embedded.

    `zscr index info` lists the folders of an index. Nothing is to be told where an index was moved
    together with its images.

    \b
    Example:
      zscr index relocate DCIM /media/disk/DCIM --index holiday.index
    """
    from zscr.infer.index.relocate import relocate_root

    there, count = relocate_root(_place(folder, bundle), root, moved_to)
    say(f"{root} lies at {moved_to}: {there} of its {count} images are there")


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
    from zscr.infer.index.verify import verify_images, verify_index

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
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="To build.")
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
    from zscr.infer.index.repair import repair as mend
    from zscr.infer.index.told import show_list

    done = mend(folder.resolve(), all_may_go=yes)
    show_list("damaged", done.damaged)
    if not done.damaged:
        say(f"{folder} is sound: {done.left} images")
    else:
        say(f"{folder} is whole again with {done.left} images, {done.lost} are lost")


@index.command()
@click.argument("made", metavar="FOLDER", type=FOLDER)
@click.argument("sources", nargs=-1, required=True, metavar="INDEXES...", type=FOLDER)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="To build.")
def merge(made: Path, sources: tuple[Path, ...], threads: int) -> None:
    """Make the index FOLDER of all that the INDEXES hold, which stay as they are.

    An image that several have is there once. So an index can be made by many jobs, each of which
    adds a share of the images.

    \b
    Example:
      zscr index merge all.index part.1.index part.2.index
    """
    from zscr.infer.index.joining import join

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
    from zscr.data.walk import passed_over
    from zscr.infer.index.index import Index
    from zscr.infer.index.told import show_list

    opened = Index.open(folder.resolve())
    click.echo(f"{opened.count} images of {opened.dim} dimensions, {opened.how}")
    stack, stored = opened.now.stack, opened.now.stored
    ended = sum(map(len, stack.ended))
    late = f", {stack.tail.count} not in HNSW yet" if opened.now.hnsw and stack.tail.count else ""
    click.echo(f"{len(stack.segments)} segments of {stored}, {ended} rows ended{late}")
    features = opened.features
    held = "no image features" if features is None else f"image features of {features.shape[1]}"
    click.echo(f"{held}, embeddings {opened.diffusion or 'not diffused'}")
    click.echo(
        f"generation {opened.generation}, made by the bundle {printable(opened.bundle_name)} "
        f"in the space {opened.space[:12]}"
    )
    for root in opened.roots:
        where = "" if root.is_there else ", which is not there"
        there = f"; passed over: {passed_over(root.passed)}" if root.passed else ""
        click.echo(printable(f"folder {root.name}: {root.path}{where}{there}"))
    if opened.linked:
        places = sum(len(entry.places) for entry in opened.entries)
        click.echo(f"a content is one image, with all of its places: {places} in all")
    for one in opened.calibrations or ["not calibrated: it is not known what is unrelated to it"]:
        click.echo(printable(one))
    click.echo(f"{len(opened.errors)} images were skipped")
    show_list("skipped", [row["image"] for row in opened.errors])


def _open(bundle: Path, runtime: Mapping[str, Any]) -> Bundle:
    from zscr.infer.bundle import Bundle

    return Bundle.open(bundle, make_runtime(**runtime))


def _place(folder: Path | None, bundle: Path) -> Path:
    """Return the index that is named, or the one beside the bundle."""
    from zscr.infer.bundle import index_of

    return folder or index_of(bundle)


def _linked(duplicates: str | None) -> bool | None:
    return None if duplicates is None else duplicates == "link"
