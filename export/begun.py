"""Exports that were stopped: the bundle that they had made, to be completed by the same command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from glob import escape
from pathlib import Path
from typing import Any

from zscr.artefact import kind_of, read_manifest
from zscr.disk import require_writable
from zscr.errors import ArtefactError
from zscr.export.words import Words
from zscr.infer.bundle import KIND, SAME_IMAGE, Bundle
from zscr.progress import say
from zscr.train.latest import LATEST
from zscr.train.methods.settings import make_head_settings
from zscr.train.run import Run


def begun_at(
    out: Path, run: Run, settings: Mapping[str, Any] | None, words: Words | None = None
) -> Bundle | None:
    """Return the bundle `out` if it is of this run, settings and words; None if nothing is there.

    Raises:
        ArtefactError: something else is there.
    """
    if _is_of(out, run, settings, words):
        say(f"{out} is of this run already; what is lacking is added")
        return Bundle.open(out)
    require_writable(out, new=True)
    return None


def begun_among(
    place: Path, run: Run, settings: Mapping[str, Any] | None, words: Words | None = None
) -> Bundle | None:
    """Return the newest bundle `<place>-<number>`, if an export of this run stopped after it.

    Then it has no index, or `latest`, which an export sets at its end, is another.
    """
    numbered = [path for path in place.parent.glob(f"{escape(place.name)}-*") if _number(path)]
    numbered.sort(key=lambda path: int(_number(path)))
    try:
        if not numbered or not _is_of(numbered[-1], run, settings, words):
            return None
        bundle = Bundle.open(numbered[-1])
    except ArtefactError:  # damaged, or of another release: it cannot be gone on with
        return None
    lacks_index = bundle.gallery.fields == SAME_IMAGE and not bundle.index_folder.exists()
    latest = place.with_name(LATEST)
    if latest.exists() and latest.samefile(bundle.folder) and not lacks_index:
        return None
    say(f"going on with {bundle.folder}, whose export was stopped")
    return bundle


def _number(path: Path) -> str:
    """Return the digits at the end of a numbered folder's name; of `….index` there are none."""
    digits = path.name.rpartition("-")[2]
    return digits if digits.isdigit() else ""


def _is_of(folder: Path, run: Run, settings: Mapping[str, Any] | None, words: Words | None) -> bool:
    """Say whether a folder is the bundle that an export of this run by these settings makes."""
    if not folder.is_dir() or kind_of(folder) != KIND:
        return False
    body = read_manifest(folder, KIND).body
    if body["provenance"].get("run_sha256") != read_manifest(run.folder, "run").sha256:
        return False
    if body["provenance"].get("words") != (words.files if words else None):
        return False
    chosen = make_head_settings(run.method, run.load_model(), settings or {})
    return json.dumps(body["head_settings"]) == json.dumps(chosen)
