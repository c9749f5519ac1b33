"""Options of commands: which part of a folder of images is looked at, and how sources convert."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from zscr.options import NamedPath

if TYPE_CHECKING:
    from zscr.data.walk import WalkRules

_Command = Callable[..., Any]
exclude_option = click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Leave out what matches, as in .gitignore: 'raw/', '*.tmp.jpg'; repeatable.",
)
follow_links_option = click.option(
    "--follow-links", is_flag=True, help="Enter linked folders, each once."
)


def walk_options(command: Any) -> Any:
    """Add which part of folders is looked at; `.zscrignore` files in them hold patterns, too."""
    return exclude_option(follow_links_option(command))


def make_rules(exclude: tuple[str, ...], follow_links: bool) -> WalkRules:
    """Build the rules that the options describe."""
    from zscr.data.walk import WalkRules

    return WalkRules(exclude, follow_links)


def amount(value: object) -> float | int:
    """Read a number of classes (`5`) or a share of them (`0.2`)."""
    text = str(value)
    return int(text) if text.lstrip("-").isdigit() else float(text)


_val = partial(
    click.option,
    "--val",
    type=amount,
    default=0.2,
    show_default=True,
    help="Validation classes: a number, or a share of those that are not test classes.",
)
# the parameter of a converter that each one gives -> the option
OPTIONS: dict[str, Callable[[_Command], _Command]] = {
    "val": _val("val"),
    "val_classes": _val("val_classes"),
    "held_out": _val(
        "held_out", default=15, help="Validation classes: a number, or a share of the seen ones."
    ),
    "deduplicated": click.option(
        "--deduplicated",
        is_flag=True,
        help="Leave out photos of the name or content of one in their class, unlike published.",
    ),
    "asking": click.option(
        "--asks", "asking", default="sketch", show_default=True, help="The domain that asks."
    ),
    "gallery": click.option(
        "--gallery",
        multiple=True,
        default=["photo"],
        show_default=True,
        help="A domain that is searched; repeatable.",
    ),
    "unseen": click.option(
        "--unseen",
        type=amount,
        default=0.2,
        show_default=True,
        help="Test classes: a number, or a share of all.",
    ),
    "unseen_images": click.option(
        "--unseen",
        "unseen_images",
        type=amount,
        default=0.2,
        show_default=True,
        help="Images to judge on: a number, or a share of all; 1.0 is all of them.",
    ),
    "val_images": click.option(
        "--val",
        "val_images",
        type=amount,
        default=0.1,
        show_default=True,
        help="Validation images: a number, or a share of all.",
    ),
    "val_share": click.option(
        "--val",
        "val_share",
        type=float,
        default=0.01,
        show_default=True,
        help="Validation images: a share of all, above 0 and up to 0.5.",
    ),
    "seed": click.option("--seed", default=7, show_default=True, help="Of all that is chosen."),
    "split": click.option(
        "--split",
        type=click.Choice(["21", "25"]),
        default="21",
        show_default=True,
        help="The published list of unseen classes, by its length.",
    ),
    "names": click.option(
        "--names",
        type=NamedPath(),
        help="What is said of classes [clip_text_names.zip beside SOURCE].",
    ),
    "skip_missing": click.option(
        "--skip-missing",
        is_flag=True,
        help="Leave out images that SOURCE lacks, and queries that need them; both are counted.",
    ),
    "caption_order": click.option(
        "--caption-order",
        type=click.Choice(["pic2word", "searle"]),
        default="pic2word",
        show_default=True,
        help="Two captions of a query: the second and the first, or both orders averaged.",
    ),
    "exclude": exclude_option,
    "follow_links": follow_links_option,
}
