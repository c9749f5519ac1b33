"""A folder that Qdrant Edge opens: a shard of points, and beside it what their vectors are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zscr.artefact import dump_json
from zscr.errors import ArtefactError, InputError
from zscr.extras import require_extras
from zscr.infer.exchange.gallery import About, Block, Gallery
from zscr.infer.exchange.place import new_place
from zscr.infer.exchange.points import block_of, point_id
from zscr.infer.exchange.rows import row_of
from zscr.regular import read_regular
from zscr.strict_json import parse_json

CONFIG = "edge_config.json"  # by which a folder is known as one of Edge
ABOUT = "zscr.json"
BATCH = 1000  # points at a time


def write(gallery: Gallery, out: Path) -> None:
    """Write the folder `out`.

    Raises:
        ArtefactError: `out` exists already, or the disk is full. Nothing is left behind.
        MissingExtraError: qdrant-edge-py is not installed.
    """
    require_extras("a folder of Qdrant Edge", "qdrant-edge")
    import qdrant_edge as edge

    how = edge.EdgeVectorParams(size=gallery.about.dim, distance=edge.Distance.Dot)
    with new_place(out) as made:
        made.mkdir()
        try:
            shard = edge.EdgeShard.create(str(made), edge.EdgeConfig(vectors=how))
            for block in gallery.watched(f"writing {out.name}"):
                _upsert(edge, shard, block)
            shard.flush()
            shard.optimize()
            shard.close()
        except Exception as error:  # it has no kinds of its own
            if isinstance(error, OSError):
                raise
            raise ArtefactError(f"Qdrant Edge could not write {out}: {_first(error)}") from error
        (made / ABOUT).write_bytes(dump_json(gallery.about.fields()))


def _upsert(edge: Any, shard: Any, block: Block) -> None:
    for start in range(0, len(block.entries), BATCH):
        part = slice(start, start + BATCH)
        rows = zip(block.entries[part], block.vectors[part].tolist(), strict=True)
        points = [edge.Point(point_id(one.id), vector, row_of(one)) for one, vector in rows]
        shard.update(edge.UpdateOperation.upsert_points(points))


def read(folder: Path) -> Gallery:
    """Read a folder of Edge that zscr or anybody else wrote, an image a point.

    Raises:
        InputError: it is damaged, or holds something else.
        MissingExtraError: qdrant-edge-py is not installed.
    """
    require_extras("a folder of Qdrant Edge", "qdrant-edge")
    import qdrant_edge as edge

    try:
        shard = edge.EdgeShard.load(str(folder))
    except Exception as error:
        raise InputError(f"{folder} is no sound folder of Edge: {_first(error)}") from error
    about = _about(edge, shard, folder)

    def blocks() -> Iterator[Block]:
        at = None
        while True:
            request = edge.ScrollRequest(
                offset=at, limit=BATCH, with_payload=True, with_vector=True
            )
            points, at = shard.scroll(request)
            if points:
                yield block_of(points, about.dim, str(folder))
            if at is None:
                return

    return Gallery(about, blocks)


def _about(edge: Any, shard: Any, folder: Path) -> About:
    count = shard.count(edge.CountRequest())
    try:
        if (folder / ABOUT).exists():
            raw = read_regular(folder / ABOUT, 1 << 20, "description of a gallery")
            return About.of(parse_json(raw), count=count)
        vectors = parse_json(read_regular(folder / CONFIG, 1 << 20, "configuration"))["vectors"]
        return About(count, int(vectors[""]["size"]))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(
            f"{folder} says not what it holds ({error!r}); it must have one vector without a name"
        ) from error


def _first(error: Exception) -> str:
    return str(error).splitlines()[0][:300]
