"""What one generation of an index holds, and its files: immutable, numbered, named by the manifest.

vectors.N.npy (count, dim) float32, entries.N.jsonl (a line a row), and where there is something to
hold: hnsw.N.bin, features.N.npy (count, feature_dim) float16, raw.N.npy (count, dim) float32 beside
diffused vectors, queries.N.npy (the queries that the choice was measured on), unrelated.N.npy
(those that it is calibrated by), errors.N.jsonl.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.artefact import Manifest, dump_jsonl, fsync, verify
from zscr.errors import ArtefactError
from zscr.infer.index.calibration import Calibration, Unrelated, calibrations_from
from zscr.infer.index.choice import Choice, Measured
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.entry import Entry, Skipped, entry_from, entry_row
from zscr.infer.index.exact import Vectors
from zscr.infer.index.hnsw import EF_CONSTRUCTION, Hnsw, M

KIND = "index"
_SUFFIXES = {"vectors": "npy", "entries": "jsonl", "hnsw": "bin", "queries": "npy"}
_SUFFIXES |= {"errors": "jsonl", "features": "npy", "raw": "npy", "unrelated": "npy"}
_OWN = re.compile(rf"({'|'.join(_SUFFIXES)})\.\d+\.(npy|jsonl|bin)|\.manifest\.json\.\d+\.partial")

# Half the size of float32; the top 10 of expanded queries are the same, all of them, on 2,300
# photos (benchmarks/gallery_limits.py).
FeatureRows = npt.NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Generation:
    """One state of an index. Row i of `vectors` (N, D), unit float32, belongs to `entries[i]`.

    Attributes:
        space: the embedding space that the vectors are in, as a bundle names it.
        bundle_name: what the bundle that computed them is called in messages.
        hnsw: over `vectors`, if it was chosen.
        queries: (Q, D) the sample that the choice was measured on.
        errors: the images that were skipped and have not been indexed since.
        features: (N, F) unit rows by which the images are compared with each other; None if the
            bundle's gallery gives none.
        raw: (N, D) the model's own embeddings, where `vectors` are diffused.
        diffusion: how these were diffused, and will be after every change.
        unrelated: queries that it is calibrated by after every change; calibrations: by these and
            by its own images, as far as it is known what is unrelated.
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
    features: FeatureRows | None = None
    raw: Vectors | None = None
    diffusion: Diffusion | None = None
    unrelated: Unrelated | None = None
    calibrations: tuple[Calibration, ...] = ()

    @property
    def dim(self) -> int:
        """D, the length of a vector."""
        return int(self.vectors.shape[1])

    @property
    def embeddings(self) -> Vectors:
        """The model's own embeddings (N, D), before any diffusion."""
        return self.vectors if self.raw is None else self.raw

    @cached_property
    def exact_features(self) -> Vectors | None:
        """The features as float32, made when all of them are first multiplied."""
        return None if self.features is None else self.features.astype(np.float32)


def file_name(stem: str, number: int) -> str:
    """Return the name of one file of generation `number`, such as `vectors.3.npy`."""
    return f"{stem}.{number}.{_SUFFIXES[stem]}"


def write_files(folder: Path, generation: Generation) -> list[str]:
    """Write and sync the files of a generation; return their names."""
    paths = {stem: folder / file_name(stem, generation.number) for stem in _SUFFIXES}
    matrices = {
        name: getattr(generation, name) for name in ("vectors", "features", "raw", "queries")
    }
    matrices["unrelated"] = generation.unrelated and generation.unrelated.vectors
    for name, matrix in matrices.items():
        if matrix is not None:
            np.save(paths[name], matrix, allow_pickle=False)
    paths["entries"].write_bytes(dump_jsonl(map(entry_row, generation.entries)))
    if generation.hnsw is not None:
        generation.hnsw.save(paths["hnsw"])
    if generation.errors:
        paths["errors"].write_bytes(dump_jsonl(map(dict, generation.errors)))
    written = [path for path in paths.values() if path.exists()]
    for path in written:
        fsync(path)
    fsync(folder)
    return [path.name for path in written]


def body(generation: Generation) -> dict[str, Any]:
    """Return the manifest's fields."""
    approximate, features = generation.hnsw is not None, generation.features
    asked = generation.unrelated
    return {
        "space": generation.space,
        "bundle_name": generation.bundle_name,
        "metric": "cosine",
        "dim": generation.dim,
        "feature_dim": None if features is None else features.shape[1],
        "diffusion": generation.diffusion and asdict(generation.diffusion),
        "count": len(generation.entries),
        "generation": generation.number,
        "M": M if approximate else None,
        "ef_construction": EF_CONSTRUCTION if approximate else None,
        **asdict(generation.choice),
        "calibrations": [asdict(one) for one in generation.calibrations],
        "unrelated": asked and {"graph": asked.graph, "of": asked.of, "classes": asked.classes},
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
        _check_names(manifest, number)
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
        _load(path["features"], (shape[0], int(manifest.body["feature_dim"])), np.float16)
        if "features" in path
        else None,
        _load(path["raw"], shape) if "raw" in path else None,
        Diffusion(**manifest.body["diffusion"]) if "raw" in path else None,
        _unrelated(path["unrelated"], manifest, shape[1]) if "unrelated" in path else None,
        calibrations_from(manifest.body.get("calibrations", ())),
    )


def _unrelated(path: Path, manifest: Manifest, dim: int) -> Unrelated:
    about = manifest.body["unrelated"]
    classes = tuple(about["classes"])
    vectors = _load(path, (len(classes), dim))
    return Unrelated(str(about["graph"]), str(about["of"]), vectors, classes)


def _choice(fields: Mapping[str, Any]) -> Choice:
    own = {key: fields[key] for key in ("search", "how", "pinned", "ef")}
    measured = fields["measured"]
    return Choice(**own, measured=None if measured is None else Measured(**measured))


def _check_names(manifest: Manifest, number: int) -> None:
    told = {"hnsw": manifest.body["search"] == "hnsw", "raw": manifest.body.get("diffusion")}
    told["features"] = manifest.body.get("feature_dim")  # an index of before has neither field
    stems = ("vectors", "entries", *(stem for stem, there in told.items() if there))
    needed = {file_name(stem, number) for stem in stems}
    allowed = needed | {file_name(stem, number) for stem in ("queries", "errors", "unrelated")}
    if not needed <= set(manifest.files) <= allowed:
        raise ValueError(f"its files are {sorted(manifest.files)}")


def _load(path: Path, shape: tuple[int, int], dtype: type[np.floating[Any]] = np.float32) -> Any:
    """Read a matrix. Mapped first: that compares the shape with the size of the file."""
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    rows = len(mapped) if shape[0] < 0 else shape[0]
    if mapped.dtype != dtype or mapped.shape != (rows, shape[1]):
        wanted = f"{np.dtype(dtype)} {shape}"
        raise ValueError(f"{path.name} is {mapped.dtype} {mapped.shape}, not {wanted}")
    return np.array(mapped)


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
