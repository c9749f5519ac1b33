"""What one generation of an index holds, and its files: immutable, numbered, named by the manifest.

vectors.N.npy (count, dim) float32, entries.N.jsonl (a line a row), and where there is something to
hold: hnsw.N.bin, features.N.npy (count, feature_dim) float16, raw.N.npy (count, dim) float32 beside
diffused vectors, queries.N.npy (the queries that the choice was measured on), unrelated.N.npy
(those that it is calibrated by), errors.N.jsonl.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zscr.arrays import npy_from
from zscr.artefact import Manifest, dump_jsonl, read_verified
from zscr.disk import fsync, remove_or_tell, save_array
from zscr.errors import ArtefactError
from zscr.extras import has_extra
from zscr.infer.index.calibration import (
    Calibration,
    Unrelated,
    calibrations_from,
)
from zscr.infer.index.choice import Choice, Measured, without_hnswlib
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.entry import Entry, entry_from, entry_row, skipped_from, skipped_row
from zscr.infer.index.exact import Vectors
from zscr.infer.index.hnsw import EF_CONSTRUCTION, Hnsw, M
from zscr.infer.index.roots import Root, root_from, root_row
from zscr.progress import say
from zscr.strict_json import parse_json

if TYPE_CHECKING:
    from zscr.data.listing import Skipped

KIND = "index"
_SUFFIXES = {"vectors": "npy", "entries": "jsonl", "hnsw": "bin", "queries": "npy"}
_SUFFIXES |= {"errors": "jsonl", "features": "npy", "raw": "npy", "unrelated": "npy"}
_OWN = re.compile(rf"({'|'.join(_SUFFIXES)})\.\d+\.(npy|jsonl|bin)|\.manifest\.json\.\w+\.partial")

_LONGEST = 1e6  # squared, of a row; unit rows have 1, and float32 products of these stay finite

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
        roots: the folders that the images lie in.
        linked: whether a content has one entry, whatever the number of its places.
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
    roots: tuple[Root, ...] = ()
    linked: bool = False
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
            save_array(paths[name], matrix)
    rows = (entry_row(entry, generation.roots) for entry in generation.entries)
    paths["entries"].write_bytes(dump_jsonl(rows))
    if generation.hnsw is not None:
        generation.hnsw.save(paths["hnsw"])
    if generation.errors:
        rows = (skipped_row(each, generation.roots) for each in generation.errors)
        paths["errors"].write_bytes(dump_jsonl(rows))
    written = [path for path in paths.values() if path.exists()]
    for path in written:
        fsync(path)
    fsync(folder)
    return [path.name for path in written]


def body(generation: Generation, folder: Path) -> dict[str, Any]:
    """Return the manifest's fields, for an index that is in `folder`."""
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
        "roots": [root_row(root, folder) for root in generation.roots],
        "duplicates": "link" if generation.linked else "keep",
        "generation": generation.number,
        "M": M if approximate else None,
        "ef_construction": EF_CONSTRUCTION if approximate else None,
        **asdict(generation.choice),
        "calibrations": [asdict(one) for one in generation.calibrations],
        "unrelated": asked and {"graph": asked.graph, "of": asked.of, "classes": asked.classes},
    }


def read_generation(folder: Path, manifest: Manifest) -> Generation:
    """Check every file against the manifest, then read it: the very bytes that were hashed.

    Raises:
        ArtefactError: a file is missing, damaged, or contradicts the manifest.
        MissingExtraError: HNSW was asked for when it was made, and hnswlib is not installed.
    """
    try:
        _check_names(manifest, int(manifest.body["generation"]))
        return _read(folder, manifest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(
            f"{folder} contradicts its manifest ({error!r}); make it anew"
        ) from error


def _read(folder: Path, manifest: Manifest) -> Generation:
    fields = manifest.body
    number, count, dim = (int(fields[key]) for key in ("generation", "count", "dim"))

    def content(stem: str) -> bytearray | None:
        name = file_name(stem, number)
        return read_verified(folder, manifest, name) if name in manifest.files else None

    def matrix(stem: str, shape: tuple[int, int], dtype: type[Any] = np.float32) -> Any:
        found = content(stem)
        return None if found is None else _matrix(found, stem, shape, dtype)

    roots = {row["name"]: root_from(row, folder) for row in fields["roots"]}
    entries = tuple(entry_from(row, roots) for row in _rows(content("entries")))
    if len(entries) != count or len({entry.id for entry in entries}) != count:
        raise ValueError(f"{len(entries)} entries for {count} vectors, or an id twice")
    vectors, choice = matrix("vectors", (count, dim)), _choice(fields)
    if choice.search == "hnsw" and not has_extra("hnsw"):
        choice = without_hnswlib(choice)
        say(f"{folder}: {choice.how}")
    return Generation(
        number,
        fields["space"],
        fields["bundle_name"],
        entries,
        vectors,
        choice,
        _hnsw(folder, manifest, number, vectors) if choice.search == "hnsw" else None,
        matrix("queries", (-1, dim)),
        tuple(skipped_from(row, roots) for row in _rows(content("errors"))),
        matrix("features", (count, int(fields.get("feature_dim") or 0)), np.float16),
        matrix("raw", (count, dim)),
        Diffusion(**fields["diffusion"]) if fields.get("diffusion") else None,
        tuple(roots.values()),
        fields["duplicates"] == "link",
        _unrelated(fields["unrelated"], matrix, dim) if fields["unrelated"] else None,
        calibrations_from(fields["calibrations"]),
    )


def _unrelated(about: Mapping[str, Any], matrix: Callable[..., Any], dim: int) -> Unrelated:
    classes = tuple(about["classes"])
    vectors = matrix("unrelated", (len(classes), dim))
    return Unrelated(about["graph"], about["of"], vectors, classes)


def _hnsw(folder: Path, manifest: Manifest, number: int, vectors: Vectors) -> Hnsw:
    found = load_hnsw(folder, manifest, number, vectors)
    return found or Hnsw.build(vectors, threads=1)


def load_hnsw(
    folder: Path, manifest: Manifest, number: int, vectors: Vectors, *, room: int = 0
) -> Hnsw | None:
    """Load the HNSW of a generation's vectors (N, D), with room for more rows.

    Returns:
        None, and says so, if the file has the right hash but is not what hnswlib writes of these
        vectors: then it is to be built from them.

    Raises:
        ArtefactError: the file is missing or damaged.
    """
    name = file_name("hnsw", number)
    try:
        return Hnsw.load(read_verified(folder, manifest, name), vectors, room=room)
    except ValueError as error:
        say(f"{folder / name} is no graph of these vectors ({error}); it is built from them anew")
        return None


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


def _matrix(content: bytearray, name: str, shape: tuple[int, int], dtype: type[Any]) -> Any:
    """Return a matrix of this shape (-1: any number of rows), of rows that can be compared."""
    matrix = npy_from(content, name)
    rows = len(matrix) if shape[0] < 0 else shape[0]
    if matrix.dtype != dtype or matrix.shape != (rows, shape[1]):
        wanted = f"{np.dtype(dtype)} {shape}"
        raise ValueError(f"{name} are {matrix.dtype} {matrix.shape}, not {wanted}")
    if dtype is np.float16:  # NaN and infinity reach the sum; its squares overflow no float32
        sound = bool(np.isfinite(matrix.sum(dtype=np.float32)))
    else:
        sound = bool((np.einsum("nd,nd->n", matrix, matrix) < _LONGEST).all())
    if not sound:
        raise ValueError(f"{name} hold NaN, infinity or rows that are far from unit length")
    return matrix


def _rows(content: bytearray | None) -> Iterator[Any]:
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
