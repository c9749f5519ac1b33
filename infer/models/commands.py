"""`zscr models`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zscr.printable import printable, printable_json
from zscr.progress import say

if TYPE_CHECKING:
    from zscr.data.collection import Collection

_DRAWN = ""  # `--measure` without a collection


@click.group(invoke_without_command=True)
@click.option(
    "--measure",
    is_flag=False,
    flag_value=_DRAWN,
    metavar="[COLLECTION]",
    help="Measure those that are here, on drawn images, or on COLLECTION and its texts.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "jsonl"]),
    help="Form of the list [a table on a terminal, JSON lines elsewhere].",
)
@click.pass_context
def models(context: click.Context, measure: str | None, style: str | None) -> None:
    """List the models that are here and those that can be had by name.

    Here are those in $ZSCR_HOME/models, which every folder can use, and those in bundles/. With
    --measure they are timed in turns: milliseconds of an image, from its file, and of a text alone,
    with all cores and with one thread. A COLLECTION, or a folder with captions, also gives their
    recall: how many of its texts find their image first, among 5, among 10. The list shows what was
    measured last, and the metric that a bundle's export recorded. The Pareto-best are marked: no
    other that can be compared is at least as good in image, text, MiB and R@10 (or, where no
    recall was measured, that metric), and better in one.

    \b
    Example:
      zscr models
      zscr models --measure
      zscr models --measure flickr8k_1k --format jsonl
      zscr models use clip-vit-base-patch32
    """
    from zscr.infer.models.listing import list_models, sound_folders
    from zscr.infer.models.table import models_table

    if context.invoked_subcommand:
        if measure is not None or style:
            raise click.UsageError("--measure and --format go with 'zscr models' alone")
        return
    rows = list_models()
    if measure is not None:
        _measure(sound_folders(rows), measure)
        rows = list_models()
    if (style or ("table" if sys.stdout.isatty() else "jsonl")) == "table":
        click.echo(models_table(rows))
        return
    for row in rows:
        click.echo(printable_json(row.to_json()))


@models.command()
@click.argument("name")
def use(name: str) -> None:
    """Let `zscr find` use the model NAME from now on, one of the list or the folder of a bundle.

    \b
    Example:
      zscr models use clip-vit-base-patch32
      zscr models use bundles/latest
    """
    from zscr.infer.bundle import Bundle, spoken
    from zscr.infer.models.installed import choose_model, chosen_model, find_model

    folder = find_model(name)
    bundle = Bundle.open(folder)
    choose_model(name)
    kept = chosen_model()  # of a link that is none of the user's models, what it is a link to
    linked = folder.is_symlink() and kept != folder
    named = f"{kept}, which is {name} today," if linked else name
    takes = " or ".join(map(spoken, bundle.answers))
    say(f"'zscr find' uses {named} from now on: queries of {takes}, {bundle.dim} dimensions")
    say(
        "indexes stay as they are, each of the model that made it; a folder is indexed for "
        "this one when it is next searched"
    )


@models.command()
@click.argument("name")
def info(name: str) -> None:
    """Say what the model NAME is: where from, what it takes, how well it agrees with its origin.

    \b
    Example:
      zscr models info clip-vit-base-patch32
    """
    from zscr.infer.models.about import about_model

    for line in about_model(name):
        click.echo(printable(line))


def _measure(folders: list[Path], named: str) -> None:
    from zscr.extras import require_extras
    from zscr.infer.models.measure import measure_models

    require_extras("measuring models", "cpu")
    if not folders:
        say("there is no model here to measure; make one with 'zscr export'")
        return
    measure_models(folders, _collection(named))


def _collection(named: str) -> Collection | None:
    from zscr.data.collection import read_collection
    from zscr.data.registry import find_collection

    return None if named == _DRAWN else read_collection(find_collection(named))
