"""`zscr find`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from zscr.infer.options import answer_options, make_runtime, resumable, runtime_options
from zscr.options import NamedPath
from zscr.progress import say

if TYPE_CHECKING:
    from zscr.infer.answers.writers import Format
    from zscr.infer.bundle import Bundle
    from zscr.infer.find.find import Found


class FindCommand(click.Command):
    """A command among whose words may be negative weights, such as `-0.5:grass`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put a space before a negative weight, also of an image: it is no option."""
        negative = re.compile(r"-[\d.]+:.+", re.DOTALL)
        try:
            return super().parse_args(
                ctx, [f" {arg}" if negative.fullmatch(arg) else arg for arg in args]
            )
        except click.NoSuchOption as error:
            if error.option_name.startswith("--"):
                raise
            raise click.UsageError(
                f"there is no option {error.option_name}; what is not to be in an image stands "
                f"behind a minus between spaces: dog - leash",
                ctx,
            ) from error


@click.command(cls=FindCommand)
@click.argument("words", nargs=-1, metavar="TEXT... [FOLDER]...")
@click.option(
    "--image", "images", multiple=True, metavar="FILE", help="Find what is like it; repeatable."
)
@click.option(
    "--sketch", "sketches", multiple=True, metavar="FILE", help="Find what it shows; repeatable."
)
@click.option(
    "--in", "folders", multiple=True, type=NamedPath(), metavar="FOLDER", help="Search here."
)
@click.option("--model", metavar="NAME", help="A model's name or folder [the one in use].")
@click.option("--compose", metavar="NAME", help="Compose an image and a text, not add them up.")
@answer_options
@click.option("-0", "--null", is_flag=True, help="Only paths, each ended by NUL, for 'xargs -0'.")
@click.option("--open", "opens", is_flag=True, help="Show the images in a browser.")
@runtime_options
def find(
    words: tuple[str, ...],
    images: tuple[str, ...],
    sketches: tuple[str, ...],
    folders: tuple[Path, ...],
    model: str | None,
    compose: str | None,
    k: int,
    min_score: float | None,
    style: str | None,
    out: Path | None,
    null: bool,
    opens: bool,
    **runtime: Any,
) -> None:
    """Find images in folders by what is in them.

    TEXT says what is sought, quoted if it has several words. FOLDER is where: the current folder,
    if none is given, with all that is below it. What is new there is indexed first, once; what was
    moved, renamed or deleted is noticed at the next search. Hidden folders are passed over, and
    what a file .zscrignore in a folder names.

    Several terms are added up: + and - between them say what is to be in an image and what not,
    and a number with a colon says how much it counts. An image's file is a term, too, and with
    --sketch a drawing's, if the model takes drawings. --compose NAME makes one query of an image, a
    text, and at most one text that is taken away, in a way that the model has; 'zscr models info'
    lists them.

    A first word is always a term. If a later one could be a folder or a term, --in FOLDER makes it
    clear: then all other words are terms.

    \b
    Example:
      zscr find "a dog on the beach"
      zscr find "a red car" photos/ /media/card/DCIM
      zscr find "dog" - "leash" 0.5:grass --in photos
      zscr find --image cat.jpg
      zscr find --sketch drawing.png photos/
      zscr find cat.jpg + "in the snow" --open
      zscr find shoe.jpg + red - blue --compose arithmetic
      zscr find "a receipt" --min-score 0.25 --format paths
    """
    from zscr.infer.answers.output import open_output
    from zscr.infer.bundle import Bundle
    from zscr.infer.find.composed import composed_query
    from zscr.infer.find.find import find_in
    from zscr.infer.find.words import read_words
    from zscr.infer.models.installed import model_to_use

    if not (words or images or sketches):
        raise click.UsageError('nothing is asked for; say what, such as: zscr find "a dog" photos/')
    asked = read_words(words, images, folders, sketches)
    if not asked.terms:
        raise click.UsageError(f"only folders are named; say what is sought before {words[0]}")
    if null and style not in (None, "paths"):
        raise click.UsageError(f"-0 is a form of its own; leave it or --format {style} out")
    style = "paths" if null else style
    bundle = Bundle.open(model_to_use(model), make_runtime(**runtime))
    for sentence in asked.told:
        say(sentence)
    query = asked.query if compose is None else composed_query(asked.terms, compose)
    with resumable():
        found = find_in(bundle, query, asked.folders or [Path()], k=k, min_score=min_score)
    out = None if out == Path("-") else out
    style = style or ("table" if out is None and sys.stdout.isatty() else "jsonl")
    with open_output(out) as stream:
        _write(found, bundle, style, stream, "\0" if null else "\n")
    _tell(found, style, k)
    if out:
        say(f"wrote {out}")
    if opens:
        _open(found, bundle, out if style == "html" else None)


def _write(found: Found, bundle: Bundle, style: str, stream: TextIO, end: str = "\n") -> None:
    from zscr.infer.answers.links import near_place, place_on
    from zscr.infer.answers.shown import Shown
    from zscr.infer.answers.writers import write_answers

    write_answers(
        [found.answer],
        cast("Format", style),
        stream,
        title="Found images",
        about={
            "model": bundle.name,
            "folders": ", ".join(str(part.folder) for part in found.parts),
            "images": found.count,
        },
        shown=Shown([part.folder for part in found.parts], hint=""),
        place=place_on(stream) if style == "table" else near_place,
        end=end,
    )


def _tell(found: Found, style: str, k: int) -> None:
    """Say what the answer itself does not: a table and paths name no model."""
    from zscr.infer.answers.answer import remarks

    folders = ", ".join(part.shown for part in found.parts)
    if style in ("table", "paths"):
        unknown = any(hit.above_unrelated is None for hit in found.answer.hits)
        calibrated = "; scores are not calibrated" if unknown and style == "table" else ""
        say(f"{found.answer.ran}; {found.count} images of {folders}{calibrated}")
    if style == "paths":
        for note in remarks(found.answer):
            say(note)
    if k > found.count:
        say(f"-k {k}: there are only {found.count} images in {folders}")


def _open(found: Found, bundle: Bundle, page: Path | None) -> None:
    from zscr.infer.answers.output import open_output
    from zscr.infer.find.page import new_page, open_page

    if page is None:
        page = new_page()
        with open_output(page) as stream:
            _write(found, bundle, "html", stream)
    open_page(page)
