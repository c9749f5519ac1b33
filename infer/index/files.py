"""The files of a generation, as its manifest names them: written once, read as they are needed.

segment.N.safetensors (see `segment`), of large ones blocks.N.npy, (B, 32) the sha256 of its blocks,
and of the whole index, where there is something to hold: hnsw.N.bin, queries.N.npy (the queries
that the choice was measured on), unrelated.N.npy (those that it is calibrated by), errors.N.jsonl.
A file that a commit does not change keeps its name: N is that of the commit that wrote it, of
segments their own number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.arrays import npy_from
from zscr.artefact import Manifest, dump_jsonl, file_entry, listed, read_verified
from zscr.blocks import BLOCK, MappedFile
from zscr.disk import fsync_all, reading_faults, remove_or_tell, save_array
from zscr.infer.index.entry import skipped_row
from zscr.infer.index.generation import Generation
from zscr.infer.index.segment import Segment, segment_from
from zscr.infer.index.tensors_file import open_blocks, read_tensors, write_tensors
from zscr.strict_json import parse_json

_WHOLE = {"hnsw": "bin", "queries": "npy", "unrelated": "npy", "errors": "jsonl"}
_OWN = re.compile(
    rf"({'|'.join(_WHOLE)}|segment|blocks)\.\d+\.(npy|jsonl|bin|safetensors)|"
    r"\.manifest\.json\.\w+\.partial"
)
Files = Mapping[str, Mapping[str, Any]]
Array = npt.NDArray[Any]


def write_files(
    folder: Path, now: Generation, before: Generation | None, known: Files
) -> dict[str, Mapping[str, Any]]:
    """Write and sync what a generation has and the one before has not; return all of its files.

    Args:
        folder: of the index.
        now: what is to be written; before: what is written already, as the files `known`.
    """
    files, fresh = dict[str, Mapping[str, Any]](), [folder]
    held = {segment.number for segment in before.stack.segments} if before else set()
    for segment in now.stack.segments:
        names = segment_file(segment.number), _blocks_file(segment.number)
        if segment.number in held:
            files |= {name: known[name] for name in names if name in known}
        else:
            written = _write_segment(folder, segment)
            fresh += [folder / name for name in written]
            files |= written
    for stem in _WHOLE:
        if _part(now, stem) is None:
            continue
        if before is not None and _is_same(now, before, stem):
            files |= {name: entry for name, entry in known.items() if name.startswith(f"{stem}.")}
        else:
            path = folder / f"{stem}.{now.number}.{_WHOLE[stem]}"
            _write_whole(path, stem, now)
            fresh.append(path)
            files[path.name] = file_entry(path)
    fsync_all(fresh)
    return files


def segment_file(number: int) -> str:
    """Return the name of a segment's file."""
    return f"segment.{number}.safetensors"


def _blocks_file(number: int) -> str:
    return f"blocks.{number}.npy"


def _write_segment(folder: Path, segment: Segment) -> dict[str, Mapping[str, Any]]:
    path = folder / segment_file(segment.number)
    written = write_tensors(path, segment.tensors)
    files: dict[str, Mapping[str, Any]] = {
        path.name: {"sha256": written.sha256, "bytes": written.size}
    }
    if written.size > BLOCK:
        blocks = folder / _blocks_file(segment.number)
        save_array(blocks, written.digests())
        files[blocks.name] = file_entry(blocks)
    return files


def _part(now: Generation, stem: str) -> Any:
    """Return what a file of the whole index holds; None if there is none."""
    return getattr(now, stem) or None if stem == "errors" else getattr(now, stem)


def _is_same(now: Generation, before: Generation, stem: str) -> bool:
    if stem == "errors":  # whose lines name roots
        return (now.errors, now.roots) == (before.errors, before.roots)
    return getattr(now, stem) is getattr(before, stem)


def _write_whole(path: Path, stem: str, now: Generation) -> None:
    if stem == "hnsw":
        assert now.hnsw is not None, "asked by the caller"
        now.hnsw.save(path)
    elif stem == "errors":
        path.write_bytes(dump_jsonl(skipped_row(each, now.roots) for each in now.errors))
    else:
        save_array(path, now.queries if stem == "queries" else now.unrelated.vectors)  # type: ignore


def name_of(manifest: Manifest, stem: str) -> str | None:
    """Return the name of a file of the whole index, or None where there is none.

    Raises:
        ValueError: there are several.
    """
    names = [name for name in manifest.files if name.split(".", 1)[0] == stem]
    if len(names) > 1:
        raise ValueError(f"its files are {sorted(manifest.files)}")
    return names[0] if names else None


def check_names(manifest: Manifest) -> None:
    """Prove that a manifest's files are those of its segments and of the index as a whole.

    Raises:
        ValueError: says which files there are.
    """
    numbers = [row["number"] for row in manifest.body["segments"]]
    needed = {segment_file(number) for number in numbers}
    large = {name for name in needed if manifest.files.get(name, {"bytes": 0})["bytes"] > BLOCK}
    needed |= {_blocks_file(int(name.split(".")[1])) for name in large}
    whole = {name for stem in _WHOLE if (name := name_of(manifest, stem))}
    hnsw = any(name.startswith("hnsw.") for name in whole)
    if {*manifest.files} != needed | whole or hnsw != (manifest.body["search"] == "hnsw"):
        raise ValueError(f"its files are {sorted(manifest.files)}")


def open_segment(folder: Path, manifest: Manifest, about: Mapping[str, Any]) -> Segment:
    """Map a segment, of whose rows nothing is proved yet.

    Raises:
        ArtefactError: it is missing, or damaged where it was read.
        ValueError: it is not what the manifest says.
    """
    name, blocks = segment_file(about["number"]), _blocks_file(about["number"])
    digests = None
    if blocks in manifest.files:
        digests = npy_from(read_verified(folder, manifest, blocks), blocks)
        size = manifest.files[name]["bytes"]
        if digests.dtype != np.uint8 or digests.shape != (-(-size // BLOCK), 32):
            raise ValueError(f"{blocks} does not fit {name}")
    file = open_blocks(*listed(folder, manifest, name), digests)
    found = segment_from(about["number"], file, read_tensors(file), in_hnsw=about["in_hnsw"])
    if (found.count, len(found.removed)) != (about["count"], about["removed"]):
        raise ValueError(f"{name} holds {found.count} rows and ends {len(found.removed)}")
    return found


def opened(folder: Path, manifest: Manifest, name: str) -> MappedFile:
    """Map a file now, since a later commit may delete it; nothing of it is proved yet.

    Raises:
        ArtefactError: the file is missing.
    """
    path, entry = listed(folder, manifest, name)
    with reading_faults(path):
        return MappedFile(path, entry["sha256"])


def read_rows(content: bytearray | None) -> Iterator[Any]:
    """Yield the values of JSON Lines."""
    for line in (content or b"").split(b"\n"):
        if line:
            yield parse_json(bytes(line))


def remove_leftovers(folder: Path, manifest: Manifest) -> None:
    """Delete the files of other generations: superseded ones, and those of killed writers.

    Only the holder of the writer's lock may call it.
    """
    for path in sorted(folder.iterdir()):
        if path.name not in manifest.files and _OWN.fullmatch(path.name):
            remove_or_tell(path)
