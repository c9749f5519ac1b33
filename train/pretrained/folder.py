"""From a folder of any kind that is known to a dual encoder."""

from __future__ import annotations

from pathlib import Path

from zscr.errors import InputError
from zscr.train.pretrained.dual import DualEncoder
from zscr.train.pretrained.load import load_dual
from zscr.train.pretrained.open_clip import CONFIG, load_open_clip
from zscr.train.pretrained.sentence import with_text_tower


def open_dual(source: Path, text_tower: Path | None = None) -> DualEncoder:
    """Load the dual encoder of a folder.

    Args:
        source: a checkpoint of transformers, or what OpenCLIP saved.
        text_tower: a sentence encoder that was trained for the space of its images.

    Raises:
        InputError: a folder is of no known kind, or a part is missing or contradicts another.
        MissingExtraError: transformers is not installed.
    """
    if not (source / "config.json").is_file() and (source / CONFIG).is_file():
        dual = load_open_clip(source)
    elif (source / "modules.json").is_file() and not (source / "config.json").is_file():
        raise InputError(
            f"{source} is a folder of sentence-transformers; give it with --text-tower, beside the "
            f"checkpoint that embeds the images"
        )
    else:
        dual = load_dual(source)
    return dual if text_tower is None else with_text_tower(dual, text_tower)
