"""An index out of another library's files, or from a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from zscr.artefact import MANIFEST
from zscr.errors import InputError, MismatchError
from zscr.infer.exchange import faiss, foreign, hnswlib, lance, npy, parquet, qdrant_edge
from zscr.infer.exchange.gallery import About, Gallery
from zscr.infer.exchange.qdrant import Qdrant, is_url
from zscr.infer.exchange.sidecars import format_of
from zscr.infer.index.exact import Vectors
from zscr.infer.index.index import Entry, Index

_OURS = {"faiss": faiss.read, "hnswlib": hnswlib.read, "npy": npy.read}  # by their manifest


class Space(Protocol):
    """What is asked of a bundle: the space that its vectors are in, and their length."""

    @property
    def space(self) -> str:
        """The space."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def dim(self) -> int:
        """Length of a vector."""


@dataclass(frozen=True)
class Imported:
    """An index that was made, and what its source said of itself."""

    index: Index
    about: About


def import_index(
    source: str,
    folder: Path,
    *,
    bundle: Space | None = None,
    collection: str = "",
    threads: int = 1,
) -> Imported:
    """Make the index `folder` of what another library keeps at `source`.

    All vectors are held in memory once more than the index itself holds them.

    Args:
        source: a file or folder, or the URL of a Qdrant server.
        folder: of the index, which must not exist yet.
        bundle: whose space the vectors are in; needed where the source does not say it.
        collection: of the server.
        threads: to build HNSW with.

    Raises:
        InputError: no format that is known, rows that are no unit vectors, an id twice, or
            nobody says which space it is.
        MismatchError: the source is in another space than the bundle, or of another length.
        ArtefactError: `folder` exists already, a file is damaged, or the disk is full.
        MissingExtraError: the format's library is not installed.
    """
    gallery = Qdrant.at(source, collection).read() if is_url(source) else read(Path(source))
    about = gallery.about
    space, name = space_of(about, source, bundle)
    entries, vectors, features = _gathered(gallery)
    index = Index.create(
        folder,
        space=space,
        bundle_name=name,
        entries=entries,
        vectors=vectors,
        features=features,
        linked=about.linked,
        precision=about.precision,
        threads=threads,
    )
    return Imported(index, about)


def read(source: Path) -> Gallery:
    """Read a file or folder of any format that is known, by what it looks like.

    Raises:
        InputError: it is missing, or of none; see the formats for more.
    """
    if source.is_file():
        return parquet.read(source)
    if (source / MANIFEST).is_file():
        named = format_of(source)
        if named not in _OURS:
            raise InputError(f"{source} is of the format {named:.40}; upgrade zscr to read it")
        return _OURS[named](source)
    if (source / "_versions").is_dir():
        return lance.read(source)
    if (source / qdrant_edge.CONFIG).is_file():
        return qdrant_edge.read(source)
    if (source / foreign.EMBEDDINGS).is_dir():
        return foreign.read_clip_retrieval(source)
    if (source / npy.VECTORS).is_file():
        return foreign.read_plain(source)
    raise InputError(
        f"{source} is {'of no format that is known' if source.exists() else 'not there'}; name a "
        f"Parquet file, a folder of Lance, Qdrant Edge or clip-retrieval, one that zscr exported, "
        f"or one with {npy.VECTORS} and {foreign.IDS}"
    )


def space_of(about: About, source: str, bundle: Space | None) -> tuple[str, str]:
    """Return the space that vectors are in, and what the bundle that made them is called.

    Raises:
        InputError: neither the source nor a bundle says it.
        MismatchError: they contradict each other.
    """
    if bundle is None:
        if about.space is None:
            raise InputError(
                f"{source} does not say which model made its vectors; name the bundle of that "
                f"model with --bundle"
            )
        return about.space, about.bundle or "unknown"
    if about.space not in (None, bundle.space) or about.dim != bundle.dim:
        raise MismatchError(
            f"{source} has vectors of {about.dim} dimensions by {about.bundle or 'others'}, the "
            f"bundle {bundle.name} makes {bundle.dim} in another space; name the bundle of theirs"
            if about.space is not None
            else f"{source} has vectors of {about.dim} dimensions, the bundle {bundle.name} makes "
            f"{bundle.dim}; name the bundle that made them"
        )
    return bundle.space, bundle.name


def _gathered(gallery: Gallery) -> tuple[list[Entry], Vectors, Vectors | None]:
    """Return all entries, their vectors (N, D) and their features, if there are any."""
    about, entries = gallery.about, list[Entry]()
    vectors = np.empty((about.count, about.dim), np.float32)
    features = np.empty((about.count, about.features), np.float32) if about.features else None
    for block in gallery.watched("reading"):
        part = slice(len(entries), len(entries) + len(block.entries))
        if block.vectors.shape != (len(block.entries), about.dim) or part.stop > about.count:
            raise InputError(
                f"rows {part.start} to {part.stop} have vectors {block.vectors.shape}, and "
                f"{about.count} of {about.dim} dimensions were announced; export it again"
            )
        entries += block.entries
        vectors[part] = block.vectors
        if features is not None:
            features[part] = block.features
    if len(entries) != about.count:
        raise InputError(f"{len(entries)} rows came of {about.count}; export it again")
    return entries, vectors, features
