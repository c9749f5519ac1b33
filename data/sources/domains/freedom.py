"""Makes collections of NICO++ and MiniDomainNet, by FreeDom's lists."""

from __future__ import annotations

from pathlib import Path

from zscr.data.collection import new_collection
from zscr.data.sources.annotated import locate
from zscr.data.sources.archive import opened
from zscr.data.sources.domains.conversion import Conversion, freedom
from zscr.data.sources.domains.lists import find_lists, is_of, read_entries
from zscr.data.sources.origin import described

QUERIES, DATABASE = "query_files.csv", "database_files.csv"
# Domain as the lists have it -> the word that is a query's text.
NICO = {
    "autumn": "autumn",
    "dim": "dimlight",
    "grass": "grass",
    "outdoor": "outdoor",
    "rock": "rock",
    "water": "water",
}
MINIDN = {"clipart": "clipart", "painting": "painting", "real": "photo", "sketch": "sketch"}
WORDS = {"nico": NICO, "minidomainnet": MINIDN}
NAMED = {"nico": "NICO++", "minidomainnet": "MiniDomainNet"}


def convert_freedom(
    source: Path, out: Path, *, name: str = "nico", skip_missing: bool = False
) -> None:
    """Convert NICO++ or MiniDomainNet into the collection `out`.

    Each query image asks for its class in every other domain, in a task a direction, such as
    `autumn-to-water`, by the other domain's bare word. The gallery holds the images of all domains;
    queries are not in it.

    Args:
        source: a folder or ZIP with `query_files.csv` and `database_files.csv`, lines `path domain
            class` with spaces between, and the images: with or without `nico/` in front, and with
            spaces or `_` in their names.
        out: the collection to make; must not exist.
        name: `nico` or `minidomainnet`.
        skip_missing: leave out images that are missing, and queries that need them.

    Raises:
        InputError: a list is missing or has another form, or an image is missing.
    """
    words = WORDS[name]
    with opened(source) as folder:
        lists = find_lists(
            source, folder, (QUERIES, DATABASE), lambda one: is_of(one / QUERIES, words)
        )
        queries = read_entries(lists / QUERIES, words)
        gallery = read_entries(lists / DATABASE, words)
        images = locate([one.name for one in (*gallery, *queries)], folder)
        images.require(source, skip=skip_missing)
        provenance = dict[str, object](described(source))
        protocol = f"domain conversion on {NAMED[name]}, by FreeDom's lists"
        with new_collection(out, name=name, protocol=protocol, provenance=provenance) as draft:
            made = Conversion.begun(draft, gallery, queries, images)
            made.add_directions(freedom(50, 100), queries)
            made.finish(provenance)
