"""What one generation of an index holds, and its files: immutable, numbered, named by the manifest.

vectors.N.npy (count, dim) float32, entries.N.jsonl (a line a row), and where there is something to
hold: hnsw.N.bin, queries.N.npy (the queries that the choice was measured on), errors.N.jsonl.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zscr.artefact import Manifest, dump_jsonl, fsync, verify
from zscr.errors import ArtefactError
from zscr.infer.index.choice import Choice, Measured
from zscr.infer.index.entry import Entry, Skipped, entry_from, entry_row
from zscr.infer.index.exact import Vectors
from zscr.infer.index.hnsw import EF_CONSTRUCTION, Hnsw, M

KIND = "index"
_SUFFIXES = {"vectors": "npy", "entries": "jsonl", "hnsw": "bin", "queries": "npy"}
_SUFFIXES |= {"errors": "jsonl"}
_OWN = re.compile(
    r"(vectors|entries|hnsw|queries|errors)\.\d+\.(npy|jsonl|bin)|\.manifest\.json\.\d+\.partial"
)


@dataclass(frozen=True, eq=False)
class Generation:
    """One state of an index. Row i of `vectors` (N, D), unit float32, belongs to `entries[i]`.

    Attributes:
        space: the embedding space that the vectors are in, as a bundle names it.
        bundle_name: what the bundle that computed them is called in messages.
        hnsw: over `vectors`, if it was chosen.
        queries: (Q, D) the sample that the choice was measured on.
        errors: the images that were skipped and have not been indexed since.
    """

    number: int
    space: str
    bundle_name: str
    entries: tuple[Entry, ...]
    vectors: Vectors
    choice: Choice
    hnsw: Hnsw | None = None
    queries: Vectors | None = None
    errors: tuple[Skipped, ...] = ()

    @property
    def dim(self) -> int:
        """D, the length of a vector."""
        return int(self.vectors.shape[1])


def file_name(stem: str, number: int) -> str:
    """Return the name of one file of generation `number`, such as `vectors.3.npy`."""
    return f"{stem}.{number}.{_SUFFIXES[stem]}"


def write_files(folder: Path, generation: Generation) -> list[str]:
    """Write and sync the files of a generation; return their names."""
    paths = {stem: folder / file_name(stem, generation.number) for stem in _SUFFIXES}
    np.save(paths["vectors"], generation.vectors, allow_pickle=False)
    paths["entries"].write_bytes(dump_jsonl(map(entry_row, generation.entries)))
    if generation.hnsw is not None:
        generation.hnsw.save(paths["hnsw"])
    if generation.queries is not None:
        np.save(paths["queries"], generation.queries, allow_pickle=False)
    if generation.errors:
        paths["errors"].write_bytes(dump_jsonl(map(dict, generation.errors)))
    written = [path for path in paths.values() if path.exists()]
    for path in written:
        fsync(path)
    fsync(folder)
    return [path.name for path in written]


def body(generation: Generation) -> dict[str, Any]:
    """Return the manifest's fields."""
    approximate = generation.hnsw is not None
    return {
        "space": generation.space,
        "bundle_name": generation.bundle_name,
        "metric": "cosine",
        "dim": generation.dim,
        "count": len(generation.entries),
        "generation": generation.number,
        "M": M if approximate else None,
        "ef_construction": EF_CONSTRUCTION if approximate else None,
        **asdict(generation.choice),
    }


def read_generation(folder: Path, manifest: Manifest) -> Generation:
    """Check every file against the manifest, then read it.

    Raises:
        ArtefactError: a file is missing, damaged, or contradicts the manifest.
    """
    fields = manifest.body
    try:
        number, count, dim = (int(fields[key]) for key in ("generation", "count", "dim"))
        choice = _choice(fields)
        _check_names(manifest, number, hnsw=choice.search == "hnsw")
        verify(folder, manifest)
        return _read(folder, manifest, number, choice, (count, dim))
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(
            f"{folder} contradicts its manifest ({error!r}); make it anew"
        ) from error


def _read(
    folder: Path, manifest: Manifest, number: int, choice: Choice, shape: tuple[int, int]
) -> Generation:
    """Parse files whose checksums are right."""
    path = {s: folder / n for s in _SUFFIXES if (n := file_name(s, number)) in manifest.files}
    entries = tuple(map(entry_from, _rows(path["entries"])))
    if len(entries) != shape[0] or len({entry.id for entry in entries}) != shape[0]:
        raise ValueError(f"{len(entries)} entries for {shape[0]} vectors, or an id twice")
    return Generation(
        number,
        manifest.body["space"],
        manifest.body["bundle_name"],
        entries,
        _load(path["vectors"], shape),
        choice,
        Hnsw.load(path["hnsw"], shape[1], shape[0]) if "hnsw" in path else None,
        _load(path["queries"], (-1, shape[1])) if "queries" in path else None,
        tuple(_rows(path["errors"])) if "errors" in path else (),
    )


def _choice(fields: Mapping[str, Any]) -> Choice:
    own = {key: fields[key] for key in ("search", "how", "pinned", "ef")}
    measured = fields["measured"]
    return Choice(**own, measured=None if measured is None else Measured(**measured))


def _check_names(manifest: Manifest, number: int, *, hnsw: bool) -> None:
    needed = {file_name(s, number) for s in ("vectors", "entries", *(["hnsw"] if hnsw else []))}
    allowed = needed | {file_name(s, number) for s in ("queries", "errors")}
    if not needed <= set(manifest.files) <= allowed:
        raise ValueError(f"its files are {sorted(manifest.files)}")


def _load(path: Path, shape: tuple[int, int]) -> Vectors:
    """Read a float32 matrix. Mapped first: that compares the shape with the size of the file."""
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    rows = len(mapped) if shape[0] < 0 else shape[0]
    if mapped.dtype != np.float32 or mapped.shape != (rows, shape[1]):
        raise ValueError(f"{path.name} is {mapped.dtype} {mapped.shape}, not float32 {shape}")
    vectors: Vectors = np.array(mapped)
    return vectors


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def remove_leftovers(folder: Path, manifest: Manifest) -> None:
    """Delete the files of other generations: superseded ones, and those of killed writers.

    Only the holder of the writer's lock may call it.
    """
    for path in sorted(folder.iterdir()):
        if path.name not in manifest.files and _OWN.fullmatch(path.name):
            path.unlink()
