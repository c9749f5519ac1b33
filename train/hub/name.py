"""What a model is called on a hub: a repository, and one of its revisions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.cache import cache_folder
from zscr.errors import ConfigError

DEFAULT = "main"  # the branch that every repository has
_REVISION = re.compile(r"(?!.*(\.\.|//))\w[\w./+-]{0,199}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class ModelName:
    """A repository and what is asked for of it.

    Attributes:
        repository: such as `openai/clip-vit-base-patch32`.
        revision: a branch, a tag or a commit.
    """

    repository: str
    revision: str = DEFAULT

    @property
    def is_commit(self) -> bool:
        """Whether the revision is a whole commit id, which stands for the same files for ever."""
        return bool(_COMMIT.fullmatch(self.revision))

    @property
    def folder(self) -> Path:
        """Where everything of this repository is kept: below `$ZSCR_CACHE/hub`."""
        return cache_folder() / "hub" / self.repository.replace("/", "--")

    @property
    def pins(self) -> Path:
        """The file of what branches stood for; without it, they are followed once more."""
        return self.folder / "revisions.json"

    def __str__(self) -> str:
        return self.repository + (f"@{self.revision}" if self.revision != DEFAULT else "")


def inner_name(repository: str, commit: str) -> str:
    """Return what the folder of a commit's files is called, by which converted ones name it."""
    return f"{repository.rpartition('/')[2]}@{commit[:12]}"


def parse_name(library: Any, text: str, revision: str | None = None) -> ModelName:
    """Read `repository` or `repository@revision`.

    Args:
        library: huggingface_hub, which knows what a repository may be called.
        text: what the user gives.
        revision: instead of the one behind the `@`.

    Raises:
        ConfigError: it can be no such name.
    """
    repository, at, behind = text.partition("@")
    named = revision if revision is not None else behind if at else DEFAULT
    try:
        library.utils.validate_repo_id(repository)
    except library.errors.HFValidationError as error:
        raise ConfigError(
            f"{text!a:.100} can be no model on a hub, where they are called such as "
            f"openai/clip-vit-base-patch32"
        ) from error
    if not _REVISION.fullmatch(named):
        raise ConfigError(
            f"{named!a:.100} can be no revision of {repository}; name a branch, a tag or a commit"
        )
    return ModelName(repository, named)
