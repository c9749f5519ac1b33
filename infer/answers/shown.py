"""Which images a page may show: a stranger's index or collection may name any file of a disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zscr.artefact import hash_file
from zscr.errors import ZscrError


@dataclass(frozen=True)
class Shown:
    """What is shown of the images that an index or a collection names.

    Attributes:
        roots: the folders that they must lie in; None where there are none.
        trusted: show whatever is named.
        hint: what ends the reason for one that is not shown.
    """

    roots: Sequence[Path] | None = None
    trusted: bool = False
    hint: str = "; --trust shows it"

    def fault(self, image: str | Path, sha256: str | None) -> str | None:
        """Return why an image is not shown, or None.

        An image is shown if it is the one that was indexed: who made the index has seen it then.

        Args:
            image: the file.
            sha256: of its content, as the index has it; None where it is not known.
        """
        if self.trusted:
            return None
        if self.roots is not None and not is_within(self.roots, Path(image)):
            return f"{image} lies outside of its folders{self.hint}"
        try:
            changed = sha256 is not None and hash_file(Path(image)) != sha256
        except FileNotFoundError:
            return f"{image} does not exist"
        except (OSError, ZscrError) as error:
            return f"{image} cannot be read ({getattr(error, 'strerror', error)})"
        return f"{image} is not what was indexed{self.hint}" if changed else None


def is_within(roots: Sequence[Path], path: Path) -> bool:
    """Say whether a file lies in one of the folders, also once all links are followed."""
    place = os.path.realpath(path)
    return any(Path(place).is_relative_to(os.path.realpath(root)) for root in roots)
