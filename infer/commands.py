"""`zscr query`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from zscr.infer.options import answer_options, make_runtime, runtime_options
from zscr.options import NamedPath
from zscr.progress import say

if TYPE_CHECKING:
    from zscr.data.records import Query
    from zscr.infer.answers.writers import Format
    from zscr.infer.queries import QueryFile
    from zscr.infer.searcher import Searcher

FOLDER = NamedPath()
FILE = click.Path(path_type=Path, dir_okay=False)
_NAMED = 20  # classes that are listed; of more, the first


@click.command()
@click.option("--file", "file", help="Captions, or queries (.jsonl), one a line; '-': stdin.")
@click.option("--text", help="A caption, or what is to be different about the image.")
@click.option("--image", type=FILE, help="An image to find others by.")
@click.option(
    "--sketch",
    "sketches",
    type=FOLDER,
    multiple=True,
    help="A drawing of what is sought, a folder of them, or '-': stdin; repeatable.",
)
@click.option("--instead-of", metavar="TEXT", help="What --text replaces on the image.")
@click.option(
    "--compose", metavar="NAME", help="How image and text make one query [the bundle's first way]."
)
@click.option(
    "--expand",
    type=click.IntRange(1),
    metavar="K",
    help="Ask again with the mean image feature of the top K.",
)
@click.option(
    "--rerank",
    type=click.IntRange(0),
    metavar="N",
    help="Re-rank the top N by comparing tokens; 0: none [as the bundle says].",
)
@click.option(
    "--bundle", type=FOLDER, default="bundles/latest", show_default=True, help="The model."
)
@click.option("--index", type=FOLDER, help="The gallery [the index beside the bundle].")
@answer_options
@click.option(
    "--where",
    multiple=True,
    metavar="NAME=VALUE",
    help="Only images with this attribute; of one that is named twice, either will do.",
)
@click.option("--exclude-self", is_flag=True, help="Leave out the query's own image.")
@click.option("--trust", is_flag=True, help="Let a page show any file that the index names.")
@runtime_options
def query(
    file: str | None,
    text: str | None,
    image: Path | None,
    sketches: tuple[Path, ...],
    instead_of: str | None,
    compose: str | None,
    k: int,
    expand: int | None,
    rerank: int | None,
    min_score: float | None,
    bundle: Path,
    index: Path | None,
    style: str | None,
    out: Path | None,
    where: tuple[str, ...],
    exclude_self: bool,
    trust: bool,
    **runtime: Any,
) -> None:
    """Find the images that queries ask for, by a text, an image, a sketch, or two of these.

    --text, --image and --sketch together make one query. What a query may be made of is up to the
    model: one that compares texts with images takes a text, an image to find more like it, or an
    image and a text that says what is to be different about it.

    Of several drawings each is a query. They may be dark on light or light on dark, in pencil, with
    transparency, or photographed: where one was changed for the model, its answer says how.

    --compose NAME says how image and text become one query, such as average, product, slerp or
    arithmetic, which takes away what the text replaces: --instead-of, or a mean of texts that the
    model holds. A model that turns images into words takes a whole sentence, in which * is the
    image: --text "a sketch of *".

    --expand K lets the gallery help: where the images of a class look alike, more of them come
    first (K 5 suits classes of five images and more). Scores are then means of two similarities,
    of an image to the query and to the top K, and where one image alone is right it hurts.

    --rerank N compares the query with the N best images part by part, where the bundle has a graph
    for that; it does so by itself where that helped on validation classes. The images are read
    again, which takes a while. Scores are then of their own scale.

    --where class=wren looks at images with that attribute alone, such as `zscr index info` lists.

    A line of a .jsonl file is such as {"id": "7", "text": "in red", "image": "shoe.jpg"}, where
    "instead_of" and "compose" may stand too. A line that cannot be used costs the others nothing:
    its answer holds the error, and the command ends with exit code 1 and the count. Lines of a pipe
    are answered as they come.

    \b
    Example:
      zscr query --file captions.txt
      zscr query --file queries.jsonl --format html --out found.html
      zscr query --text "a small bird with a red crown" -k 5
      zscr query --file captions.txt --expand 5
      zscr query --text "a small bird" --where class=wren --where class=kinglet
      zscr query --image photo.jpg
      zscr query --sketch drawing.png
      zscr query --sketch drawings/ --format html --out found.html
      zscr query --image shoe.jpg --text "the same in red"
      zscr query --image shoe.jpg --text red --instead-of blue --compose arithmetic
    """
    from zscr.infer.bundle import Bundle

    queries = _queries(file, text, image, sketches, instead_of, compose)
    opened = Bundle.open(bundle, make_runtime(**runtime))
    if isinstance(queries, list):  # while the graph is loaded, the rest is imported
        opened.load_ahead(queries[0].fields)
    from zscr.infer.answers.output import open_output
    from zscr.infer.answers.shown import Shown
    from zscr.infer.answers.tally import Tally, all_answered
    from zscr.infer.answers.writers import write_answers
    from zscr.infer.index.only import Only, where_of
    from zscr.infer.queries import QueryFile
    from zscr.infer.searcher import Searcher

    out = None if out == Path("-") else out
    number = len(queries) if isinstance(queries, list) else None
    searcher = Searcher.of(opened, index, queries=number)
    found = searcher.answers(
        queries,
        k,
        expand=expand,
        min_score=min_score,
        only=Only(where=where_of(where)),
        exclude_self=exclude_self,
        rerank=rerank,
    )
    tally = Tally()
    if not _are_many(queries):  # the one query of the options: an answer, or an error
        found = all_answered(found)
    answers = tally.counting(found)
    about = _about(searcher, k, expand) | _calibrated(searcher, queries, expand, rerank)
    style = style or ("table" if out is None and sys.stdout.isatty() else "jsonl")
    roots = [Path(root.path) for root in searcher.index.roots] or None
    with open_output(out) as stream:
        shown = Shown(roots, trusted=trust)
        write_answers(answers, cast("Format", style), stream, about=about, shown=shown)
    if style == "table":  # the other formats say it themselves
        unknown = ["scores are not calibrated"] if tally.uncalibrated else []
        say("; ".join([*tally.ran, *unknown]))
    if searcher.index.precision != searcher.bundle.gallery_precision:
        say(f"the images were encoded in {searcher.index.precision}")
    lost = [root for root in searcher.index.roots if style == "html" and not root.is_there]
    for root in lost:  # the page is without images then
        say(f"{root.path} is not there; 'zscr index relocate {root.name} FOLDER' says where it is")
    if k > searcher.index.count:
        say(f"-k {k}: the index holds only {searcher.index.count} images")
    if rerank and rerank > searcher.index.count:
        say(f"--rerank {rerank}: the index holds only {searcher.index.count} images")
    if isinstance(queries, QueryFile) and queries.skipped:
        say(f"skipped {queries.skipped} empty lines of {queries.name}")
    if out:
        say(f"wrote {out}")
    tally.check()


def _queries(
    file: str | None,
    text: str | None,
    image: Path | None,
    sketches: Sequence[Path],
    instead_of: str | None,
    compose: str | None,
) -> QueryFile | list[Query]:
    """Prepare to read the file, or make the one query of the options."""
    from zscr.infer.queries import make_query, read_queries
    from zscr.streams import standard_input

    beside = any(value is not None for value in (text, image))
    one = beside or bool(sketches)
    if (file is not None) == one:
        raise click.UsageError("give queries by either --file, or --text, --image and --sketch")
    for option, words in {"--text": text, "--instead-of": instead_of, "--compose": compose}.items():
        if words is not None and not words.strip():
            raise click.UsageError(f"{option} is empty; give it words or leave it out")
    drawn = _drawn(sketches)
    if beside and len(drawn) > 1:
        raise click.UsageError(f"--text and --image go with one --sketch, not with {len(drawn)}")
    if beside or len(drawn) == 1:
        sketch = drawn[0].sketch if drawn else None
        return [make_query(text, image, sketch, instead_of, compose)]
    if drawn and (instead_of or compose) is not None:
        raise click.UsageError("--compose and --instead-of go with a text, and with one --sketch")
    if drawn:
        return drawn
    if instead_of is not None:
        raise click.UsageError("--instead-of goes with --text; lines of a file have their own")
    return read_queries(standard_input() if file == "-" else Path(str(file)), compose)


def _drawn(sketches: Sequence[Path]) -> list[Query]:
    """Make a query of each drawing."""
    if not sketches:
        return []
    from zscr.infer.sketches import sketch_queries

    return sketch_queries(sketches)


def _are_many(queries: QueryFile | list[Query]) -> bool:
    """Say whether one query that cannot be answered costs the others nothing."""
    return not isinstance(queries, list) or len(queries) > 1


def _about(searcher: Searcher, k: int, expand: int | None) -> dict[str, object]:
    """Return what is searched, for the head of a contact sheet; its foot says what ran."""
    index = searcher.index
    about: dict[str, object] = {"bundle": searcher.bundle.name, "index": index.folder.name}
    about |= {"images": index.count, "search": searcher.how, "k": k}
    about |= {"expanded by the top": expand} if expand else {}
    new = [*dict.fromkeys(searcher.bundle.examples.values())]
    if new and index.folder.resolve() == searcher.bundle.index_folder.resolve():  # its own gallery
        names = ", ".join(new[:_NAMED]) + (", …" if len(new) > _NAMED else "")
        about["never trained on"] = f"{len(new)} classes of this gallery: {names}"
    return about


def _calibrated(
    searcher: Searcher, queries: QueryFile | list[Query], expand: int | None, rerank: int | None
) -> dict[str, object]:
    """Return what scores are calibrated by; a file may hold queries of all kinds, unread yet."""
    from zscr.infer.queries import QueryFile

    by = " and ".join(f"{len(one.scores)} {one.of}" for one in searcher.index.calibrations)
    composed = not isinstance(queries, QueryFile) and len(queries[0].fields) > 1
    if expand or rerank or composed or not by:
        by = "nothing"
    elif isinstance(queries, QueryFile) and queries.is_mixed and searcher.bundle.composed:
        by += ", those of composed queries by nothing"
    return {"scores are calibrated by": by}
