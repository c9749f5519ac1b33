"""From an input's entry in a manifest to what prepares it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zscr.errors import ConfigError
from zscr.infer.inputs import characters, image, prompt, text, vector
from zscr.infer.inputs.characters import CharacterInput
from zscr.infer.inputs.image import ImageInput
from zscr.infer.inputs.prepared import Input
from zscr.infer.inputs.prompt import PromptInput
from zscr.infer.inputs.text import TextInput
from zscr.infer.inputs.vector import VectorInput
from zscr.schema import Check, by_kind

_KINDS: Mapping[str, Callable[[Mapping[str, Any], Path], Input]] = {
    "text": TextInput,
    "prompt": PromptInput,
    "characters": CharacterInput,
    "vector": VectorInput,
}
# What an input's entry in a manifest may be.
INPUT: Check = by_kind(
    "kind",
    {
        "text": text.FIELDS,
        "prompt": prompt.FIELDS,
        "characters": characters.FIELDS,
        "image": image.FIELDS,
        "vector": vector.FIELDS,
    },
)


def make_input(spec: Mapping[str, Any], folder: Path, threads: int = 1) -> Input:
    """Build the preparation that a manifest's input entry describes.

    Args:
        spec: `field` (of a query), `kind` (how it is prepared), `names` (of the graph's inputs),
            and what belongs to the kind; docs/formats.md lists them.
        folder: where the files that it names lie, such as the tokenizer.
        threads: to decode images on.

    Raises:
        ConfigError: the kind is unknown to this version.
    """
    if spec["kind"] == "image":
        return ImageInput(spec, folder, threads)
    if spec["kind"] not in _KINDS:
        raise ConfigError(f"input kind '{spec['kind']}' is unknown; upgrade zscr")
    return _KINDS[spec["kind"]](spec, folder)
