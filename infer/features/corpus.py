"""Features of a corpus of images: computed a block at a time, and mapped from the disk.

A store has a folder for each encoder, `<encoder>-<hash>.corpus`, with a file a block of a part:
what of it could be encoded, and why the rest could not. A killed run loses the block it was at. The
rows of a split are then laid end to end in one file, which is mapped: nothing of it need be in
memory, however many images there are.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.arrays import map_npy, read_npz, write_npy
from zscr.artefact import hash_file
from zscr.data.corpus import Corpus, Member, Part, split_mask
from zscr.data.corpus_files import Laid, laid_out
from zscr.data.records import Query
from zscr.errors import CollectionError
from zscr.infer.encoder import Encoder, Rows
from zscr.infer.features.store import Source, encode_sources
from zscr.lock import work_folder
from zscr.partial import atomic_file, write_atomically
from zscr.progress import progress, say

BLOCK = 1000  # images that a kill can cost; their rows take some MB
_ARRAYS = ("rows", "places", "keys", "failed")


@dataclass(frozen=True)
class Block:
    """Some images of a part: `number` is that of the first among all."""

    part: Part
    start: int
    number: int
    count: int
    file: Path


def corpus_rows(corpus: Corpus, encoder: Encoder, store: Path) -> dict[str, Rows]:
    """Return the rows of the splits `seen` and `val` (N, *row_shape), encoding what is lacking.

    Images that cannot be used are left out, and counted on stderr.

    Raises:
        CollectionError: a shard has changed, or no image of a split can be used.
    """
    folder = store / f"{encoder.name}-{encoder.sha256[:12]}.corpus"
    blocks = [*_blocks(corpus, folder)]
    with work_folder(folder, f"computing features in {store}"):
        _fill(corpus, encoder, [block for block in blocks if not _holds(block, encoder)])
        return {split: _mapped(corpus, blocks, folder, split, encoder) for split in ("seen", "val")}


def _blocks(corpus: Corpus, folder: Path) -> Iterator[Block]:
    number = 0
    for place, part in enumerate(corpus.parts):
        for start in range(0, part.images, BLOCK):
            count = min(BLOCK, part.images - start)
            file = folder / f"{place:06d}-{start // BLOCK:06d}-{corpus.manifest.sha256[:12]}.npz"
            yield Block(part, start, number + start, count, file)
        number += part.images


def _holds(block: Block, encoder: Encoder) -> bool:
    """Say whether a block is there and whole; a damaged one is told, and computed again."""
    if not block.file.exists():
        return False
    try:
        _read(block, encoder)
    except ValueError as error:
        say(f"{block.file} is damaged ({error}); its features are computed again")
        return False
    return True


def _read(block: Block, encoder: Encoder) -> tuple[Rows, npt.NDArray[np.int64], list[str]]:
    """Return a block's rows, their places in it, and why the others failed."""
    rows, places, keys, failed = read_npz(block.file, _ARRAYS)
    sound = rows.shape == (len(places), *encoder.row_shape) and rows.dtype == encoder.dtype
    if not sound or len(keys) != len(places) or len(places) + len(failed) != block.count:
        raise ValueError(f"{rows.dtype} {rows.shape} for {block.count} images")
    if places.dtype != np.int64 or not np.all((places >= 0) & (places < block.count)):
        raise ValueError("rows of images that it has not")
    return rows, places, [str(reason) for reason in failed]


def _fill(corpus: Corpus, encoder: Encoder, todo: Sequence[Block]) -> None:
    if not todo:
        return
    members: list[Member] = []
    part: Part | None = None
    with progress(f"features ({encoder.name})", sum(block.count for block in todo)) as bar:
        for block in todo:
            if block.part is not part:
                part, members = block.part, corpus.members(block.part)
            _encode(block, members[block.start : block.start + block.count], encoder)
            bar.advance(block.count)


def _encode(block: Block, members: Sequence[Member], encoder: Encoder) -> None:
    """Encode a block and keep it."""
    with laid_out(block.part, members) as laid:
        failed = {place: one for place, one in enumerate(laid) if isinstance(one, str)}
        sources = [
            Source(str(place), Query(image=one))
            for place, one in enumerate(laid)
            if isinstance(one, Path)
        ]
        faults: dict[str, str] = {}
        kept, rows = encode_sources(encoder, sources, faults)
        failed |= {int(place): _named(reason, laid[int(place)]) for place, reason in faults.items()}
        keys = [hash_file(Path(laid[int(place)])) for place in kept]
    buffer = io.BytesIO()
    np.savez(
        buffer,
        rows=rows,
        places=np.array([*map(int, kept)], np.int64),
        keys=np.array(keys, "U64"),
        failed=np.array([f"{members[n].name}: {failed[n]}"[:500] for n in sorted(failed)], "U500"),
    )
    write_atomically(block.file, buffer.getvalue())


def _named(reason: str, laid: Laid) -> str:
    """Return a reason without the name of a file that is there for the time being."""
    return reason.replace(str(laid), "it")


def _mapped(
    corpus: Corpus, blocks: Sequence[Block], folder: Path, split: str, encoder: Encoder
) -> Rows:
    """Lay a split's rows end to end, if that is not done, and map them."""
    path = folder / f"{split}-{corpus.manifest.sha256[:12]}.npy"
    try:
        checked = map_npy(path)
    except (OSError, ValueError):
        checked = None
    if checked is None:
        _lay(corpus, blocks, path, split, encoder)
        checked = map_npy(path)
    lost = corpus.count(split) - len(checked)
    if lost:
        _, _, [first, *_] = next(read for block in blocks if (read := _read(block, encoder))[2])
        say(
            f"{lost} of {corpus.count(split)} images of split '{split}' cannot be used and are "
            f"left out, first {first}"
        )
    if not len(checked):
        raise CollectionError(f"split '{split}' of {corpus.folder} has no image that can be used")
    start = path.stat().st_size - checked.nbytes
    # Copied where it is written to: torch takes no array that cannot be.
    return np.memmap(path, checked.dtype, "c", start, checked.shape)


def _lay(corpus: Corpus, blocks: Sequence[Block], path: Path, split: str, encoder: Encoder) -> None:
    def chosen(block: Block) -> Any:
        rows, places, _ = _read(block, encoder)
        mask = np.fromiter(split_mask(block.number, block.count, corpus.every, split), bool)
        return rows[mask[places]]

    count = sum(len(chosen(block)) for block in blocks)
    with atomic_file(path) as file:
        write_npy(file, encoder.dtype, (count, *encoder.row_shape), map(chosen, blocks))
