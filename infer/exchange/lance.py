"""A Lance dataset, which LanceDB opens as a table; see `arrow` for its columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zscr.errors import ArtefactError, InputError
from zscr.extras import require_extras
from zscr.infer.exchange.arrow import about_of, batches_of, blocks_of, schema_of
from zscr.infer.exchange.gallery import ROWS, Block, Gallery
from zscr.infer.exchange.place import new_place


def write(gallery: Gallery, out: Path) -> None:
    """Write the folder `out`.

    Raises:
        ArtefactError: `out` exists already, or the disk is full. Nothing is left behind.
        InputError: lance refuses what the table holds.
        MissingExtraError: lance is not installed.
    """
    require_extras("the format lance", "lance")
    import lance
    import pyarrow as pa

    schema = schema_of(gallery)
    batches = batches_of(gallery.watched(f"writing {out.name}"), schema)
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    with new_place(out) as made:
        try:
            lance.write_dataset(reader, str(made), mode="create")
        except OSError as error:
            if error.errno is not None:
                raise
            raise ArtefactError(
                f"{out} could not be written ({error}); free some space on that disk"
            ) from error
        except ValueError as error:
            raise InputError(f"lance refuses the table of {out} ({error})") from error


def read(folder: Path) -> Gallery:
    """Read a dataset that zscr or anybody else wrote, with an `id` and a `vector` a row.

    Raises:
        InputError: it is damaged, or has no such columns.
        MissingExtraError: lance is not installed.
    """
    require_extras("the format lance", "lance")
    import lance

    try:
        held: Any = lance.dataset(str(folder))
        about = about_of(held.schema, held.count_rows(), str(folder))
    except (ValueError, OSError) as error:
        raise InputError(f"{folder} is no sound dataset of Lance ({error})") from error

    def blocks() -> Iterator[Block]:
        try:
            yield from blocks_of(held.to_batches(batch_size=ROWS), about, str(folder))
        except (ValueError, OSError) as error:
            raise InputError(f"{folder} is damaged ({error}); export it again") from error

    return Gallery(about, blocks)
