"""Pretrained models that can be named, with what their publishers say of them.

Any other checkpoint of the same families can be named as well. `mib` is of all weights in 32 bits,
which is about what is fetched and what the bundle has. The licence is that of the weights; of
OpenAI's CLIP it is that of the repository which released them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A model that `zscr export NAME` makes a bundle of.

    Attributes:
        name: what `zscr export` takes.
        dim: of its embeddings; mib: of its weights.
        licence: None where the publisher names none.
        languages: of its texts, ISO 639-1, or `multilingual` where they are not listed.
        takes: what queries may be made of.
    """

    name: str
    dim: int
    mib: int
    licence: str | None
    languages: tuple[str, ...]
    takes: tuple[str, ...] = ("image", "text")


KNOWN = (
    Known("clip:openai/clip-vit-base-patch32", 512, 577, "MIT", ("en",)),
    Known("clip:openai/clip-vit-base-patch16", 512, 571, "MIT", ("en",)),
    Known("clip:openai/clip-vit-large-patch14", 768, 1631, "MIT", ("en",)),
    Known("clip:laion/CLIP-ViT-B-32-laion2B-s34B-b79K", 512, 577, "MIT", ("en",)),
    Known("clip:google/siglip-base-patch16-224", 768, 775, "Apache-2.0", ("en",)),
    Known(
        "clip:google/siglip-base-patch16-256-multilingual",
        768,
        1414,
        "Apache-2.0",
        ("multilingual",),
    ),
    Known("clip:google/siglip2-base-patch16-224", 768, 1431, "Apache-2.0", ("multilingual",)),
    Known("clip:OFA-Sys/chinese-clip-vit-base-patch16", 512, 717, None, ("zh",)),
    Known("image:efficientnet-lite0", 1280, 13, "Apache-2.0", (), ("image",)),
)
