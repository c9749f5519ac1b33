"""A gallery on its way out of an index or into one: what it is, and its rows, a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from zscr.infer.index.exact import Vectors
from zscr.infer.index.index import Entry, Index
from zscr.infer.precision import PLAIN
from zscr.progress import progress
from zscr.schema import SHA256, flag, integer, maybe, record, text

ROWS = 1 << 14  # of a block: 32 MiB of 512 float32 each
MOST = 1 << 40  # images, and dimensions

FIELDS = record(
    {"space": maybe(SHA256), "bundle": maybe(text(1000)), "dim": integer(1, MOST)},
    {
        "count": integer(1, MOST),
        "features": integer(0, MOST),
        "linked": flag,
        "diffused": maybe(text(1000)),
        "precision": text(40, least=1),
        "zscr": text(100),
    },
)


@dataclass(frozen=True)
class About:
    """What is said of a gallery beside its rows.

    Attributes:
        count: images; dim: length of a vector.
        space: the embedding space of the vectors, None where nobody says it; bundle: what the
            bundle that computed them is called.
        features: length of an image feature; 0 where there are none.
        linked: whether a content has one entry, whatever the number of its places.
        diffused: how the vectors were evened out, in words; None if they are the model's own.
        precision: of the graph that computed the vectors.
        zscr: the version that wrote it.
    """

    count: int
    dim: int
    space: str | None = None
    bundle: str | None = None
    features: int = 0
    linked: bool = False
    diffused: str | None = None
    precision: str = PLAIN
    zscr: str = version("zscr")

    def fields(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)

    @classmethod
    def of(cls, fields: Any, *, count: int) -> About:
        """Read it from JSON; the number of images is what the rows themselves say.

        Raises:
            ValueError: a field is missing or something else.
        """
        FIELDS(fields, "")
        known = {name: fields[name] for name in cls.__dataclass_fields__ if name in fields}
        return cls(**known | {"count": count})


@dataclass(frozen=True, eq=False)
class Block:
    """Some images: B entries, their vectors (B, D), and their features (B, F) if there are any."""

    entries: Sequence[Entry]
    vectors: Vectors
    features: Vectors | None = None


@dataclass(frozen=True, eq=False)
class Gallery:
    """A gallery: each call of `blocks` gives all of its rows again, from the first to the last."""

    about: About
    blocks: Callable[[], Iterator[Block]]

    def watched(self, title: str) -> Iterator[Block]:
        """Yield the blocks and show how far it is."""
        with progress(title, self.about.count) as bar:
            for block in self.blocks():
                yield block
                bar.advance(len(block.entries))

    @property
    def attribute_names(self) -> list[str]:
        """The names of all attributes that an image has, sorted."""
        names = {n for block in self.blocks() for one in block.entries for n in one.attributes}
        return sorted(names)


def gallery_of(index: Index, *, features: bool = False) -> Gallery:
    """Return what an index searches; with its image features if they are asked for and there."""
    held = index.features if features else None
    about = About(
        index.count,
        index.dim,
        index.space,
        index.bundle_name,
        0 if held is None else held.shape[1],
        index.linked,
        None if index.diffusion is None else str(index.diffusion),
        index.precision,
    )
    return Gallery(about, lambda: blocks(index, ROWS, features=features))


def blocks(index: Index, rows: int, *, features: bool = False) -> Iterator[Block]:
    """Yield an index's images in the order of their rows, at most `rows` at a time."""
    entries, vectors = index.entries, index.vectors
    held = index.features if features else None
    for start in range(0, len(entries), rows):
        part = slice(start, start + rows)
        near = None if held is None else held[part].astype(np.float32)
        yield Block(entries[part], np.asarray(vectors[part], np.float32), near)
