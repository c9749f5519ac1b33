"""Options that several commands share: which part of a folder of images is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from zscr.data.walk import WalkRules

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
