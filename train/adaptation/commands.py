"""`zscr adapt`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from zscr.data.options import make_rules, walk_options
from zscr.options import NamedPath, memory_option
from zscr.progress import say

FOLDER = NamedPath()


@click.command()
@click.argument("run", type=FOLDER)
@click.argument("images", metavar="IMAGES-OR-COLLECTION")
@click.option(
    "--names",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A class a line, or several texts of one with tabs between. [none: the images alone]",
)
@click.option("--complete", is_flag=True, help="Every image shows something that is named.")
@click.option(
    "--with-seen",
    is_flag=True,
    help="Images of classes that were trained on are among them; of a collection take all.",
)
@click.option("--out", type=FOLDER, help="The adapted run's folder [runs/…-adapted-001].")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Of the adaptation.")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), help="Where to solve [CUDA where there is one]."
)
@memory_option
@walk_options
def adapt(
    run: Path,
    images: str,
    names: Path | None,
    complete: bool,
    with_seen: bool,
    out: Path | None,
    settings: tuple[str, ...],
    device: str | None,
    exclude: tuple[str, ...],
    follow_links: bool,
) -> None:
    """Adapt RUN to the images that it is to search, without any labels of them.

    IMAGES-OR-COLLECTION is a folder of images, or a collection (its folder or a known name), whose
    unseen classes' images are taken. Names of what may be on the images help most: the new run is
    better at these, on these images and on new ones. Its figures are transductive, and say so.

    \b
    Example:
      zscr adapt runs/latest photos/ --names names.txt
      zscr export
      zscr index add photos/
    """
    from zscr.extras import require_extras

    require_extras("adapting", "train", "cpu")
    from zscr.train.adaptation.adapt import Adaptation
    from zscr.train.adaptation.adapt import adapt as adapt_run
    from zscr.train.options import pairs

    if complete and names is None:
        raise click.UsageError("--complete goes with --names")
    gallery = _gallery(images)
    how, rules = pairs(settings), make_rules(exclude, follow_links)
    asked = Adaptation(run, gallery, names, complete, with_seen, out, how, device, rules)
    made = adapt_run(asked)
    assert made.adapted is not None
    _tell(made.folder, made.adapted)
    say(f"next: zscr export{f' {out}' if out else ''}")


def _gallery(named: str) -> Path:
    """Return the path; a known collection's name, where nothing here is called so, is made."""
    from zscr.data.known_collections import names as known
    from zscr.data.registry import find_collection

    return find_collection(named) if named in known() and not Path(named).exists() else Path(named)


def _tell(folder: Path, adapted: Mapping[str, Any]) -> None:
    """Say what a run was adapted to, and what was left out."""
    gallery, names = adapted["gallery"], adapted["names"]
    given = f"{names['count']} names" if names else "no names"
    given += f", given to {adapted['named']} of them" if adapted.get("named") else ""
    say(f"adapted {folder} to {gallery['images']} images, {given}")
    if gallery["skipped"]:
        say(f"skipped {gallery['skipped']} images; see {folder / 'skipped.jsonl'}")
