"""Makes a collection of a data folder that ZSCRGAN's authors published (CUB, FLO, AWA, NAB, WIKI).

Four Python 2 pickles: {class id: image vectors}, {class id: text vectors}, seen and unseen ids.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.artefact import hash_file
from zscr.data.collection import ClassInfo, Draft, Item, new_collection
from zscr.data.sources.archive import opened
from zscr.data.sources.origin import find_root
from zscr.data.sources.zscrgan import published
from zscr.data.splits import hold_out
from zscr.errors import InputError
from zscr.limited import Limits, run_limited

PROTOCOL = (
    "ZSCRGAN text to image on published features: every text vector of every unseen class asks, "
    "the gallery is all images of the unseen classes (Roy et al. 2020)"
)


@dataclass(frozen=True)
class Budget:
    """What the process that reads the pickles may use, given their size in bytes.

    A list of small integers takes 16 bytes for each 2 of the file, its float32 copies 8 more.
    """

    memory: int = 384 << 20  # bytes, and as many more for each byte of the files as:
    memory_per_byte: int = 16
    seconds: int = 60  # of CPU, and one more for as many bytes as:
    bytes_per_second: int = 500_000

    def limits(self, size: int) -> Limits:
        """Return the limits for files of `size` bytes."""
        memory = self.memory + self.memory_per_byte * size
        return Limits(memory, self.seconds + size // self.bytes_per_second)


BUDGET = Budget()


def convert_zscrgan(
    source: Path, out: Path, *, val_classes: float | int = 0.2, seed: int = 7
) -> None:
    """Convert a published folder, or a ZIP of it, into the collection `out`.

    Items have no images: `vectors/image.npy` has a row an item, `vectors/text.npy` the texts'
    vectors, of which every class owns the rows `text_rows`. Classes keep the order of the lists.

    Args:
        source: folder or ZIP with the four pickles.
        out: the collection to make; must not exist.
        val_classes: share (at least 2) or number of the seen classes held out for validation.
        seed: of that choice.

    Raises:
        InputError: files are missing, refused, contradict each other, or ended their reader.
        CollectionError: a class is both in trainids and in testids.
        ConfigError: `val_classes` leaves no seen class.
    """
    with opened(source) as folder, tempfile.TemporaryDirectory(prefix="zscr-") as plain:
        pickles = _find(source, folder)
        read_in_child(pickles, Path(plain))
        content = json.loads((Path(plain) / "classes.json").read_text("utf-8"))
        val = hold_out(content["train"], val_classes, seed=seed, least=2)
        provenance = {
            "source": source.name,
            "sha256": {name: hash_file(pickles / name) for name in published.PICKLES},
            "seed": seed,
            "classes_in_no_list": {k: content[f"{k}_unlisted"] for k in ("image", "text")},
        }
        name = pickles.name if source.is_dir() else source.stem
        with new_collection(out, name=name, protocol=PROTOCOL, provenance=provenance) as draft:
            _fill(draft, content, set(val))
            (draft.folder / "vectors").mkdir()
            for array in ("image.npy", "text.npy"):
                shutil.copyfile(Path(plain) / array, draft.folder / "vectors" / array)


def _find(source: Path, folder: Path) -> Path:
    """Return the one folder at or below `folder` that holds all four pickles."""
    root = find_root(source, folder, published.IMAGES)
    missing = [name for name in published.PICKLES if not (root / name).is_file()]
    if missing:
        raise InputError(f"{source} lacks {', '.join(missing)}; name the whole published folder")
    return root.resolve()


def read_in_child(folder: Path, out: Path, budget: Budget = BUDGET) -> None:
    """Run `published` as a process whose limits follow from the sizes of the files.

    Args:
        folder: with the four pickles.
        out: an existing folder for the arrays and `classes.json`.
        budget: of the process.

    Raises:
        InputError: a pickle was refused, or the process ended before it was done.
    """
    size = sum((folder / name).stat().st_size for name in published.PICKLES)
    what = f"reading the pickles in {folder}"
    run_limited(published.__name__, [str(folder), str(out)], budget.limits(size), what=what)


def _fill(draft: Draft, content: dict[str, Any], val: set[str]) -> None:
    """Add classes and items, in the order of the rows of the vectors."""
    classes = [(name, "val" if name in val else "seen") for name in content["train"]]
    classes += [(name, "unseen") for name in content["test"]]
    first_image = first_text = 0
    ends = zip(content["image_ends"], content["text_ends"], strict=True)
    for (name, split), (image, text) in zip(classes, ends, strict=True):
        draft.add_class(ClassInfo(name, name, text_rows=(first_text, text)), split)
        for row in range(image - first_image):
            draft.add_item(Item(f"{name}/{row}", split, name))
        first_image, first_text = image, text
