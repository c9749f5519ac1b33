"""An index out into another library's files, or onto a server."""

from __future__ import annotations

from pathlib import Path

from zscr.errors import InputError
from zscr.infer.exchange import faiss, hnswlib, lance, npy, parquet, qdrant_edge
from zscr.infer.exchange.gallery import About, Gallery, gallery_of
from zscr.infer.exchange.qdrant import Qdrant, is_url
from zscr.infer.index.index import Index
from zscr.progress import say

FORMATS = ("faiss", "hnswlib", "lance", "npy", "parquet", "qdrant")
_WITHOUT_FEATURES = ("qdrant",)  # a point has one vector


def export_index(
    folder: Path,
    out: str,
    format_name: str,
    *,
    features: bool = False,
    hnsw: bool = False,
    threads: int = 1,
    collection: str = "",
) -> About:
    """Write what the index `folder` searches to `out`, which must be new unless it is a server.

    Args:
        folder: of the index.
        out: a file or folder to make, or of `qdrant` perhaps the URL of a server.
        format_name: one of `FORMATS`.
        features: image features go along.
        hnsw: `faiss` searches by HNSW instead of exactly.
        threads: to build HNSW with; with 1, the same index gives the same file.
        collection: of the server.

    Raises:
        InputError: a format that there is not, options that it does not have, or features that
            the index lacks.
        ArtefactError: the index is damaged, `out` exists already, or the disk is full.
        MissingExtraError: the format's library is not installed.
    """
    _require_sense(out, format_name, features=features, hnsw=hnsw, collection=collection)
    index = Index.open(folder)
    if features and index.features is None:
        raise InputError(f"{folder} has no image features to export; leave --features out")
    gallery = gallery_of(index, features=features)
    if gallery.about.diffused:
        say(f"the vectors that go out are those that are searched, {gallery.about.diffused}")
    if is_url(out):
        Qdrant.at(out, collection).write(gallery)
    else:
        _write(gallery, Path(out), format_name, hnsw=hnsw, threads=threads)
    return gallery.about


def _require_sense(
    out: str, format_name: str, *, features: bool, hnsw: bool, collection: str
) -> None:
    server = is_url(out)
    if format_name not in FORMATS:
        raise InputError(f"there is no format {format_name}; name one of {', '.join(FORMATS)}")
    if server and format_name != "qdrant":
        raise InputError(f"{out} is a server, which takes the format qdrant alone")
    if server != bool(collection):
        fault = "needs a collection" if server else "is no server, so it has no collection"
        raise InputError(f"{out} {fault}; --collection NAME is for the URL of one")
    if hnsw and format_name != "faiss":
        raise InputError(f"--hnsw is for faiss; {format_name} has a search of its own")
    if features and format_name in _WITHOUT_FEATURES:
        raise InputError(f"a point of {format_name} has one vector; leave --features out")


def _write(gallery: Gallery, out: Path, format_name: str, *, hnsw: bool, threads: int) -> None:
    match format_name:
        case "faiss":
            faiss.write(gallery, out, hnsw=hnsw)
        case "hnswlib":
            hnswlib.write(gallery, out, threads=threads)
        case "lance":
            lance.write(gallery, out)
        case "npy":
            npy.write(gallery, out)
        case "parquet":
            parquet.write(gallery, out)
        case _:
            qdrant_edge.write(gallery, out)
