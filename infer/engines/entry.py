"""An engine on the disk: a folder with the engine, what it was made of, and the user's seal.

The manifest is read and its seal checked before a byte of the engine is looked at.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from zscr.artefact import SEAL, Manifest, listed, read_manifest
from zscr.disk import reading_faults
from zscr.errors import ArtefactError
from zscr.infer.engines.recipe import RECIPE, Recipe, recipe_from
from zscr.infer.engines.seal import is_sealed, key_name, user_key
from zscr.regular import open_regular, read_regular
from zscr.schema import anything, file_name, listing, mapping, number, record, text, title


def _moment(value: Any, where: str) -> None:
    """Take a time that says its zone, as `2026-01-01T00:00:00+00:00`."""
    text(40)(value, where)
    if datetime.fromisoformat(value).tzinfo is None:
        raise ValueError(f"{where} is {value!a}, without a zone")


KIND = "engine"
BUILT = "built, not run"  # only a run on its GPU can say more of an engine
_TENSOR = record({"name": text(200), "dtype": text(40), "shape": listing(anything, 0, 16)})
_SHAPE = listing(anything, 0, 16)
_RANGE = record({"min": _SHAPE, "opt": _SHAPE, "max": _SHAPE})
_FIELDS = record(
    {
        "graph": title,
        "file": file_name,
        "bundle": title,
        "status": text(200),
        "sealed_by": text(16, "[0-9a-f]{16}"),
        "when": _moment,
        "recipe": RECIPE,
        "inputs": listing(_TENSOR, 0, 64),
        "outputs": listing(_TENSOR, 0, 64),
        "profiles": listing(mapping(_RANGE), 1, 64),
        "layers": mapping(mapping(anything)),
        "seconds": number(0),
    }
)


@dataclass(frozen=True)
class Entry:
    """What an engine's manifest says; nothing of it is believed while `refusal` says why not.

    Attributes:
        folder: that it is in.
        manifest: of kind `engine`, see docs/formats.md.
        recipe: what it was made of, and how.
    """

    folder: Path
    manifest: Manifest
    recipe: Recipe

    @property
    def body(self) -> Mapping[str, Any]:
        """The manifest's own fields."""
        return self.manifest.body

    @property
    def path(self) -> Path:
        """The file of the engine."""
        return self.folder / str(self.body["file"])

    @property
    def size(self) -> int:
        """Its bytes, as the manifest says."""
        return int(self.manifest.files[self.path.name]["bytes"])

    @property
    def is_own(self) -> bool:
        """Say whether it names the key of this user, whether or not the seal is right."""
        return bool(self.body["sealed_by"] == key_name(user_key()))

    @cached_property
    def refusal(self) -> str | None:
        """Why it must not be loaded, as far as the manifest and its seal tell; None if it may be.

        Raises:
            ArtefactError: the user's key cannot be read.
        """
        if not self.is_own:
            return (
                f"it was built by another user or on another machine (key {self.body['sealed_by']},"
                f" yours is {key_name(user_key())}), and an engine is a program"
            )
        try:
            with reading_faults(self.folder / SEAL):
                raw = read_regular(self.folder / SEAL, 200, "seal")
        except FileNotFoundError:
            return "its seal is missing"
        if not is_sealed(user_key(), self.manifest.sha256, raw.decode("latin-1").strip()):
            return "it was edited after it was built: its seal is not yours"
        return None

    def read(self) -> bytes:
        """Return the bytes of the engine: those that were hashed, so that they may be loaded.

        Raises:
            ArtefactError: it is another user's, was edited, or is missing.
        """
        if self.refusal:
            raise ArtefactError(f"{self.folder} is not loaded: {self.refusal}; build it again")
        path, told = listed(self.folder, self.manifest, self.path.name)
        with reading_faults(path), open_regular(path) as file:
            content = file.read(told["bytes"] + 1)
        if not hmac.compare_digest(hashlib.sha256(content).hexdigest(), told["sha256"]):
            raise ArtefactError(f"{path} was edited or cut after it was built; build it again")
        return content


def read_entry(folder: Path) -> Entry:
    """Read what an engine is, without touching the engine.

    Raises:
        ArtefactError: there is none, or its manifest is damaged.
    """
    manifest = read_manifest(folder, KIND, _FIELDS)
    entry = Entry(folder, manifest, recipe_from(manifest.body["recipe"]))
    listed(folder, manifest, entry.path.name)
    return entry
