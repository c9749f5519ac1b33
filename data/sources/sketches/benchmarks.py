"""The published benchmarks of zero-shot sketch retrieval: their lists, and what is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CLASSES, ZERO = "cname_cid.txt", "cname_cid_zero.txt"  # the seen and the unseen classes
_KNOWN = "which overlap ImageNet-1k: encoders trained on it have seen many of them"

# Published columns first, as ZSE-SBIR's and SAKE's code computes them; then what they may be
# mistaken for. Where every class has K photos or more, P@K is Prec@K.
_ALL_100 = ("mAP interpolated", "Prec@100 micro", "mAP", "P@100")
_ALL_200 = ("mAP interpolated", "Prec@200 micro", "mAP", "P@200")
_TOP_200 = ("mAP@200 interpolated", "Prec@200 micro", "mAP@200", "AP@200 hits", "P@200", "mAP")


@dataclass(frozen=True)
class Benchmark:
    """A benchmark, as it is published.

    Attributes:
        title: its name and its unseen classes, for people.
        folder: that holds its lists.
        photos, sketches: what the lists of images are called, before `_train.txt`, `_zero.txt`.
        figures: its published columns, and the same under the other definitions.
        own_photo: whether a sketch's name tells the photo that it was drawn after.
    """

    title: str
    folder: str
    photos: str
    sketches: str
    figures: tuple[str, ...]
    own_photo: bool = False

    @property
    def stems(self) -> tuple[tuple[str, str], ...]:
        """The domains, and what their lists are called."""
        return ("photo", self.photos), ("sketch", self.sketches)

    @property
    def judged(self) -> tuple[str, ...]:
        """The lists without which there is nothing to judge on."""
        return CLASSES, ZERO, f"{self.photos}_zero.txt", f"{self.sketches}_zero.txt"


_SKETCHY = ("all_photo_filelist", "sketch_tx_000000000000_ready_filelist")
BENCHMARKS: Mapping[str, Benchmark] = {
    "sketchy-ext-21": Benchmark(
        "Sketchy-Ext, 21 unseen classes outside ImageNet-1k (list zeroshot0)",
        "zeroshot0",
        *_SKETCHY,
        _TOP_200,
        own_photo=True,
    ),
    "sketchy-ext-25": Benchmark(
        f"Sketchy-Ext, 25 unseen classes (list zeroshot1), {_KNOWN}",
        "zeroshot1",
        *_SKETCHY,
        _ALL_100,
        own_photo=True,
    ),
    "tuberlin-ext": Benchmark(
        f"TU-Berlin-Ext, 30 unseen classes, {_KNOWN}",
        "zeroshot",
        "ImageResized_ready_filelist",
        "png_ready_filelist",
        _ALL_100,
    ),
    "quickdraw-ext": Benchmark(
        f"QuickDraw-Ext, 30 unseen classes, {_KNOWN}",
        "zeroshot",
        "all_photo",
        "sketch",
        _ALL_200,
    ),
}
