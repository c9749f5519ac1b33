"""A model's files at one commit of its repository on a hub, fetched once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zscr.artefact import hash_file
from zscr.disk import disk_faults
from zscr.errors import ConfigError, MissingExtraError

DESCRIPTIONS = ("*.json", "*.txt", "*.model")
WEIGHTS = ("*.safetensors",)


@dataclass(frozen=True)
class Snapshot:
    """Files of a repository, whole and checked.

    Attributes:
        folder: holds them, under the names that they have there.
        name: of the repository, such as `openai/clip-vit-base-patch32`.
        revision: the commit, 40 hex digits.
        licence: as its authors state it; None if they do not.
        files: name -> sha256, of each.
    """

    folder: Path
    name: str
    revision: str
    licence: str | None
    files: Mapping[str, str]


def snapshot(
    name: str,
    *,
    patterns: Sequence[str] = DESCRIPTIONS,
    weights: Sequence[str] = WEIGHTS,
    revision: str | None = None,
    offline: bool | None = None,
) -> Snapshot:
    """Return a model's files, fetched unless they are here already.

    Args:
        name: of the repository, perhaps with `@revision` behind it.
        patterns: of the small files that are wanted.
        weights: patterns of weights, the best first; those of the first that there are some of are
            fetched, in one copy: not `model.fp16.safetensors` beside `model.safetensors`. Pickled
            ones (`*.bin`) only for who reads them with `weights_only`. None are wanted if empty.
        revision: a branch, tag or commit; None takes that in the name, else the default branch.
        offline: ask nobody; None asks the environment (`HF_HUB_OFFLINE`).

    Raises:
        ConfigError: there is no such model, or it cannot be had from here; says what to do.
        ArtefactError: what came is not what the hub says, or cannot be written.
        MissingExtraError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
        )
    except ImportError as error:
        raise MissingExtraError(f"fetching '{name}' from a model hub", "text") from error
    repository, _, asked = name.partition("@")
    try:
        with disk_faults(f"the model '{name}' from the hub"):
            folder = Path(
                snapshot_download(
                    repository,
                    revision=revision or asked or None,
                    allow_patterns=[*patterns, *weights],
                    local_files_only=bool(offline),
                )
            )
            card = None if offline else HfApi().model_info(repository, revision=folder.name)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ConfigError(
            f"no model '{name}': it is no folder here and the model hub gave none "
            f"({type(error).__name__}); give the path of a folder"
        ) from error
    data = card.card_data if card else None
    files = {p.relative_to(folder).as_posix(): hash_file(p) for p in sorted(folder.rglob("*.*"))}
    return Snapshot(folder, repository, folder.name, data.license if data else None, files)
