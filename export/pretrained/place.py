"""Where the bundle of a pretrained model stands: made once, and told from one of other weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zscr.artefact import kind_of, read_manifest
from zscr.disk import require_writable
from zscr.errors import ArtefactError
from zscr.infer.bundle import KIND, Bundle
from zscr.lock import work_folder
from zscr.progress import say

# What a bundle may be made of, where it is not the same.
_OTHER = {
    "files": "other files",
    "mapper": "another mapper or template, or of none",
    "words": "other lists of words",
}


def require_place(out: Path | None) -> None:
    """Refuse what is in the way of a bundle before anything is fetched for it.

    Raises:
        ArtefactError: `out` is there and no bundle, or may not be written.
    """
    if out is not None:
        require_writable(out, new=kind_of(out) != KIND)


def made_at(place: Path, made_of: Mapping[str, Any], make: Callable[[], Bundle]) -> Bundle:
    """Return the bundle at a place if it is of the same files, else the one that is made now.

    Args:
        place: of the bundle.
        made_of: what its provenance says of that: `files`, name -> sha256, and perhaps `mapper`
            and the user's own `words`.
        make: makes it there, while no other process does.

    Raises:
        ArtefactError: something else is there, or as `make`.
    """
    beside = Path(os.path.abspath(place))
    with work_folder(beside.with_name(f".{beside.name}.export"), f"exporting {place}"):
        return _made_before(place, made_of) or make()


def _made_before(place: Path, made_of: Mapping[str, Any]) -> Bundle | None:
    if place.is_dir() and kind_of(place) == KIND:
        about = read_manifest(place, KIND).body["provenance"]
        if all(about.get(name) == value for name, value in made_of.items()):
            say(f"{place} is of this checkpoint already")
            if "words" in made_of and "words" not in about:
                say("an older zscr made it, without data to compose by; remove it to make it anew")
            return Bundle.open(place)
        if about.get("kind") == "pretrained":
            others = [_OTHER[name] for name, value in made_of.items() if about.get(name) != value]
            raise ArtefactError(
                f"{place} exists already, made of {' and '.join(others)} (of "
                f"{about.get('source')!a:.200}, revision {about.get('revision')!a:.60}); remove "
                f"it to replace it, or name another place with --out"
            )
    require_writable(place, new=True)
    return None
