"""What commands say of an index: counts in a line, and the first names of a list."""

from __future__ import annotations

from collections.abc import Sequence

import click

from zscr.data.walk import passed_over
from zscr.infer.index.indexing import Added
from zscr.infer.index.report import ChangeReport
from zscr.printable import printable
from zscr.progress import say

_SHOWN = 5  # names of a list that is kept elsewhere


def counts_of(report: ChangeReport) -> str:
    """Return what became of the images in a phrase; that none moved or went is not said."""
    counts = [f"{report.added} added", f"{report.replaced} replaced"]
    counts += [f"{report.moved} moved"] if report.moved else []
    counts += [f"{report.removed} removed"] if report.removed else []
    return ", ".join([*counts, f"{report.unchanged} unchanged"])


def tell(added: Added) -> None:
    """Say what was done, passed over and skipped."""
    count = f"{added.index.folder} holds {added.index.count} images"
    say(f"{counts_of(added.report)}, {len(added.skipped)} skipped; {count}")
    if added.index.diffusion:
        say(f"embeddings are {added.index.diffusion}")
    if added.passed:
        say(f"passed over: {passed_over(added.passed)}")
    if added.twins and not added.index.linked:
        say(f"{added.twins} images have the content of another; --duplicates link keeps one each")
    elif added.twins:
        say(f"{added.twins} further places of the same contents are kept with their images")
    for row in added.skipped[:_SHOWN]:
        say(f"skipped {row['image']}: {row['reason']}")
    if added.skipped:
        say("all of them are in the index's errors file")


def show_list(kind: str, names: Sequence[str]) -> None:
    """Write the first of the names, a line each, and how many more there are."""
    for name in names[:_SHOWN]:
        click.echo(printable(f"{kind}: {name}"))
    if len(names) > _SHOWN:
        click.echo(f"{kind}: and {len(names) - _SHOWN} more")
