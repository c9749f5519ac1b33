"""Makes a collection of Sketchy's photos with published CLIP vectors of the classes' names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from zscr.arrays import read_npz
from zscr.data.collection import ClassInfo, new_collection
from zscr.data.sources.archive import opened
from zscr.data.sources.definitions import bare
from zscr.data.sources.normal import unit_rows
from zscr.data.sources.origin import described, find_root
from zscr.data.sources.sketchy import (
    ANCHOR,
    NAMED,
    NAMES,
    PROTOCOLS,
    Split,
    add_images,
    images_by_class,
    read_unseen,
    split_classes,
)
from zscr.errors import InputError

VECTORS = "clip_vitb32_text_names.npz"


def convert_sketchy_clip(
    source: Path, out: Path, *, split: Split = "21", seed: int = 7, names: Path | None = None
) -> None:
    """Convert a Sketchy folder or ZIP into the collection `out`, with published text vectors.

    Photos are items; a class's one text is the CLIP ViT-B/32 vector (Radford et al. 2021) of
    `a <name>`, brought back to float32 and to length 1. Classes without a vector are left out.

    Args:
        source: as for `convert_sketchy`; sketches are not used.
        out: the collection to make; must not exist.
        split: the published list of 21 or of 25 unseen classes.
        seed: of the choice of the 15 validation classes among the seen ones.
        names: folder or ZIP with the vectors; by default `clip_text_names.zip` beside `source`.

    Raises:
        InputError: the source lacks its list or photos, or the vectors are not as published.
    """
    names = names or source.parent / NAMES
    with opened(source) as folder:
        vectors = read_name_vectors(names)
        root = find_root(source, folder, ANCHOR)
        photos = images_by_class(root / "photo")
        unseen = read_unseen(root, split, sorted(photos))
        texts = {name: text for name in sorted(photos) if (text := _text(name, vectors))}
        split_of = split_classes([*texts], unseen, seed)
        provenance = {
            **described(source),
            "seed": seed,
            "text_vectors": described(names),
            "classes_without_vector": sorted(photos.keys() - texts.keys()),
        }
        name, protocol = f"{NAMED[split]}-clip", _protocol(split, split_of)
        with new_collection(out, name=name, protocol=protocol, provenance=provenance) as draft:
            for row, (class_id, text) in enumerate(texts.items()):
                info = ClassInfo(class_id, text, (f"a {text}",), text_rows=(row, row + 1))
                draft.add_class(info, split_of[class_id])
                add_images(draft, "photo", class_id, split_of[class_id], photos[class_id])
            draft.save_vectors("text", np.stack([vectors[text] for text in texts.values()]))


def _protocol(split: Split, split_of: dict[str, str]) -> str:
    unseen = [*split_of.values()].count("unseen")
    return (
        f"{PROTOCOLS[split]}; photos of the {len(split_of)} classes with a CLIP vector, of which "
        f"{unseen} are unseen"
    )


def read_name_vectors(source: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Read `names` (N) and `emb` (N, D) from a folder or ZIP -> unit vectors by name.

    Raises:
        InputError: it is not there, or not of this form.
    """
    with opened(source) as folder:
        path = find_root(source, folder, VECTORS) / VECTORS
        try:
            listed, numbers = read_npz(path, ("names", "emb"))
            names, rows = list(map(str, listed.ravel())), numbers.astype(np.float32)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path} is not names and vectors ({error!r})") from error
    if rows.ndim != 2 or len(names) != len(rows):
        raise InputError(f"{source}: {len(names)} names do not fit vectors of shape {rows.shape}")
    return dict(zip(names, unit_rows(rows, names), strict=True))


def _text(class_id: str, vectors: dict[str, npt.NDArray[np.float32]]) -> str | None:
    """Return the name that a class has a vector of: `car_(sedan)` is `car`, a hyphen a space."""
    name = bare(class_id)
    return next((text for text in (name, name.replace("-", " ")) if text in vectors), None)
