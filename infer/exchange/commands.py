"""`zscr index export` and `zscr index import`: commands of the group `zscr index`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zscr.infer.index.upkeep.commands import index, threads_option
from zscr.options import NamedPath
from zscr.progress import say

if TYPE_CHECKING:
    from zscr.infer.bundle import Bundle

__all__ = ["index"]

FOLDER = NamedPath()
FORMATS = ("faiss", "hnswlib", "lance", "npy", "parquet", "qdrant")

collection_option = click.option(
    "--collection", default="", metavar="NAME", help="Of a Qdrant server."
)


@index.command("export")
@click.argument("folder", metavar="INDEX", type=FOLDER)
@click.argument("out")
@click.option("--format", "style", required=True, type=click.Choice(FORMATS), help="Of OUT.")
@click.option("--features", is_flag=True, help="Image features go along.")
@click.option("--hnsw", is_flag=True, help="faiss: search by HNSW instead of exactly.")
@threads_option
@collection_option
def export(
    folder: Path, out: str, style: str, features: bool, hnsw: bool, threads: int, collection: str
) -> None:
    """Write the index INDEX as another library keeps vectors; ids and attributes go along.

    OUT is a new file (parquet) or folder, or of qdrant the URL of a server, whose key is taken
    from QDRANT_API_KEY; a folder of qdrant is one of Qdrant Edge. Another export to the same
    collection writes over the points of the earlier one.

    \b
    Example:
      zscr index export holiday.index holiday.parquet --format parquet
      zscr index export holiday.index holiday.faiss --format faiss --hnsw
      zscr index export holiday.index http://localhost:6333 --format qdrant --collection holiday
    """
    from zscr.infer.exchange.exports import export_index

    about = export_index(
        folder,
        out,
        style,
        features=features,
        hnsw=hnsw,
        threads=threads,
        collection=collection,
    )
    say(f"{about.count} images of {about.dim} dimensions are in {collection or out}")


@index.command("import")
@click.argument("source")
@click.argument("folder", metavar="INDEX", type=FOLDER)
@click.option("--bundle", type=FOLDER, help="The model that made the vectors [as SOURCE says].")
@threads_option
@collection_option
def import_(source: str, folder: Path, bundle: Path | None, threads: int, collection: str) -> None:
    """Make the index INDEX of vectors that another library keeps; nothing is embedded.

    SOURCE is what 'zscr index export' wrote, in any format, or the URL of a Qdrant server. Of
    other tools it may be a Parquet file, Lance dataset, collection or Edge folder in which an
    image is an id and a vector, the folder of clip-retrieval, or one with vectors.npy and ids.txt;
    --bundle then names the model. Vectors must be of length 1.

    \b
    Example:
      zscr index import holiday.parquet holiday.index
      zscr index import embeddings/ laion.index --bundle models/clip-vit-base-patch32
    """
    from zscr.infer.exchange.imports import import_index

    made = import_index(
        source, folder, bundle=_open(bundle), collection=collection, threads=threads
    )
    if made.about.diffused:
        say(f"its vectors were {made.about.diffused}; what is added later is not")
    say(f"{folder} holds {made.index.count} images of {made.index.dim} dimensions")


def _open(bundle: Path | None) -> Bundle | None:
    from zscr.infer.bundle import Bundle

    return None if bundle is None else Bundle.open(bundle)
