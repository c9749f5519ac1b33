"""What a sentence encoder's token states pass through, as sentence-transformers writes it."""

from __future__ import annotations

from pathlib import Path

from zscr.errors import InputError
from zscr.train.encoders.published import read_json, read_object

POOLINGS = ("mean", "cls")
_STAGES = {"Transformer", "Pooling", "Normalize"}


def pooling_of(source: Path) -> str:
    """Return the folder's pooling, in the form of today or of one flag a mode; else the mean."""
    config = read_object(source / "1_Pooling" / "config.json")
    flags = [n for n, on in config.items() if n.startswith("pooling_mode_") and on is True]
    named = config.get("pooling_mode", flags or "mean")
    modes = named if isinstance(named, list) else [named]
    if not all(isinstance(mode, str) for mode in modes):
        raise InputError(f"{source} pools by {modes!r:.80}, which is no name")
    kinds: list[str] = [mode.removeprefix("pooling_mode_").split("_")[0] for mode in modes]
    if len(kinds) != 1 or kinds[0] not in POOLINGS or "sqrt" in modes[0]:
        raise InputError(f"{source} pools by {modes}; only one of {[*POOLINGS]} can be converted")
    return kinds[0]


def is_normalised(source: Path) -> bool:
    """Say whether the folder's stages end in unit rows; without a list of stages they do."""
    stages = {kind for kind, _ in stages_of(source)}
    unknown = sorted(stages - _STAGES)
    if unknown:
        raise InputError(f"{source} has the stage {unknown[0]}; only {sorted(_STAGES)} are known")
    return not stages or "Normalize" in stages


def stages_of(source: Path) -> list[tuple[str, str]]:
    """Return what a sentence encoder's rows pass through: name and sub-folder of each stage.

    Raises:
        InputError: the folder's list of them is none.
    """
    path = source / "modules.json"
    modules = read_json(path) if path.is_file() else []
    try:
        return [(str(one["type"]).rsplit(".", 1)[-1], str(one.get("path", ""))) for one in modules]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no list of stages with a type ({error!r})") from error
