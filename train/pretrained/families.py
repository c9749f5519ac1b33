"""The kinds of dual encoders that are known, and what is special about each.

Where a text is pooled, what activates a layer and what projects it is in a checkpoint's own
configuration, which transformers reads; how texts are padded is in none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.errors import InputError


@dataclass(frozen=True)
class Family:
    """One kind of dual encoder.

    Attributes:
        name: as its authors call it.
        padded: whether it was trained on texts that are padded to one length, and reads padding.
        longest: tokens that its processor cuts texts to, where the tokenizer says no number.
        sigmoid: whether a pair is scored by itself (Zhai et al. 2023), not among other texts.
    """

    name: str
    padded: bool = False
    longest: int | None = None
    sigmoid: bool = False

    def score(self, scale: float, bias: float | None) -> str:
        """Return a sentence on what a score of this model means."""
        if self.sigmoid and bias is not None:
            return (
                f"the cosine c of text and image; the model takes 1 / (1 + exp(-({scale:.4g} c "
                f"{bias:+.4g}))) for the probability that they belong together"
            )
        return (
            f"the cosine c of text and image; of several texts, the model gives each the share "
            f"exp({scale:.4g} c) of an image, and a single score says nothing by itself"
        )


OPEN_CLIP = Family("OpenCLIP")
FAMILIES: Mapping[str, Family] = {  # by the `model_type` of transformers
    "clip": Family("CLIP"),
    "metaclip_2": Family("MetaCLIP 2"),
    "siglip": Family("SigLIP", padded=True, sigmoid=True),
    "chinese_clip": Family("Chinese-CLIP"),
    "altclip": Family("AltCLIP"),
    "align": Family("ALIGN", longest=64),
    "aimv2": Family("AIMv2"),
    "vision-text-dual-encoder": Family("VisionTextDualEncoder"),
}
_REFUSED = {
    "siglip2": "of SigLIP 2 for any resolution (NaFlex), whose image tower resizes its places for "
    "every image and so is no fixed graph; take a checkpoint of one resolution, such as "
    "google/siglip2-base-patch16-224",
}
_WRAPPED = ("timm_wrapper", "timm_backbone")


def family_of(config: Mapping[str, Any], source: Path) -> Family:
    """Return the family of a checkpoint.

    Raises:
        InputError: it is of none that is known, or its image tower is not transformers' own.
    """
    kind = str(config.get("model_type"))
    if kind in _REFUSED:
        raise InputError(f"{source} is a checkpoint {_REFUSED[kind]}")
    if kind not in FAMILIES:
        raise InputError(
            f"{source} is of the family {kind!a:.60}, which is not known as a dual encoder; known "
            f"are {', '.join(FAMILIES)} and OpenCLIP's own folders"
        )
    vision = config.get("vision_config")
    if isinstance(vision, Mapping) and vision.get("model_type") in _WRAPPED:
        raise InputError(
            f"the image tower of {source} is timm's {vision.get('architecture')!a:.60}, as "
            f"MobileCLIP's is, and not one of transformers, so it cannot be converted; take a "
            f"checkpoint of another family"
        )
    return FAMILIES[kind]
