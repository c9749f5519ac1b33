"""`zscr index`: the group, and the commands that change which images an index has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zscr.data.options import make_rules, walk_options
from zscr.infer.options import encoding_options, make_runtime, resumable
from zscr.options import NamedPath
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
@encoding_options
def add(
    images: tuple[Path, ...],
    folder: Path | None,
    bundle: Path,
    diffuse: bool,
    duplicates: str | None,
    shard: str,
    exclude: tuple[str, ...],
    follow_links: bool,
    precision: str,
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
      zscr index add photos/ --index small.index --precision int8
    """
    from zscr.data.listing import Share
    from zscr.infer.index.add import add_images
    from zscr.infer.index.diffusion import Diffusion
    from zscr.infer.index.told import tell

    share, opened = Share.of(shard), _open(bundle, precision, runtime)
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
@encoding_options
def sync(
    images: tuple[Path, ...],
    folder: Path | None,
    bundle: Path,
    dry_run: bool,
    yes: bool,
    duplicates: str | None,
    exclude: tuple[str, ...],
    follow_links: bool,
    precision: str,
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

    opened, rules = _open(bundle, precision, runtime), make_rules(exclude, follow_links)
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


def _open(bundle: Path, precision: str, runtime: Mapping[str, Any]) -> Bundle:
    from zscr.infer.bundle import Bundle

    return Bundle.open(bundle, make_runtime(**runtime)).with_gallery_in(precision)


def _place(folder: Path | None, bundle: Path) -> Path:
    """Return the index that is named, or the one beside the bundle."""
    from zscr.infer.bundle import index_of

    return folder or index_of(bundle)


def _linked(duplicates: str | None) -> bool | None:
    return None if duplicates is None else duplicates == "link"
