"""A Parquet file, which DuckDB, Polars, pandas and Spark read; see `arrow` for its columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from zscr.errors import InputError
from zscr.extras import require_extras
from zscr.infer.exchange.arrow import TEXTS, about_of, batches_of, blocks_of, schema_of
from zscr.infer.exchange.gallery import ROWS, Block, Gallery
from zscr.infer.exchange.place import new_place


def write(gallery: Gallery, out: Path) -> None:
    """Write the file `out`; its pages have checksums, which readers compare on request.

    Raises:
        ArtefactError: `out` exists already, or the disk is full. Nothing is left behind.
        MissingExtraError: pyarrow is not installed.
    """
    require_extras("the format parquet", "parquet")
    import pyarrow.parquet as pq

    schema = schema_of(gallery)
    how = {"compression": "zstd", "use_dictionary": list(TEXTS), "write_page_checksum": True}
    with (
        new_place(out) as made,
        made.open("wb") as file,
        pq.ParquetWriter(file, schema, **how) as writer,
    ):
        for batch in batches_of(gallery.watched(f"writing {out.name}"), schema):
            writer.write_batch(batch)


def read(path: Path) -> Gallery:
    """Read a file that zscr or anybody else wrote, with at least an `id` and a `vector` a row.

    Raises:
        InputError: it is damaged, or has no such columns.
        MissingExtraError: pyarrow is not installed.
    """
    require_extras("the format parquet", "parquet")
    import pyarrow as pa

    try:
        with _opened(path) as file:
            about = about_of(file.schema_arrow, file.metadata.num_rows, str(path))
            if not about.dim:  # a list of any length, as DuckDB writes it: the first row tells
                first = next(file.iter_batches(1, columns=["vector"]))
                about = replace(about, dim=len(first.column("vector")[0].as_py() or ()))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is no sound Parquet file ({error})") from error

    def blocks() -> Iterator[Block]:
        try:
            with _opened(path) as file:
                yield from blocks_of(file.iter_batches(ROWS), about, str(path))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path} is damaged ({error}); copy or export it again") from error

    return Gallery(about, blocks)


def _opened(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path, page_checksum_verification=True)
