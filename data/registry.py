"""Finds collections by name, by folder, or by a folder of images that one is made of."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from zscr.artefact import MANIFEST, made_once, read_manifest
from zscr.data.known_collections import COLLECTIONS, names
from zscr.errors import ConfigError
from zscr.progress import say

DATA_VARIABLE = "ZSCR_DATA"  # the folder where published data sets lie


def is_made(name_or_path: str, *, base: Path = Path("collections")) -> bool:
    """Say whether `find_collection` would find something, and not make it first."""
    path = Path(name_or_path)
    return any((one / MANIFEST).exists() for one in (path, base / _named(path)))


def _named(source: Path) -> str:
    """Return the name of the collection that is made of a source: of a range of shards, `cc3m`."""
    if source.is_dir():
        return source.resolve().name
    return re.sub(r"[-_.]*\{.*", "", source.stem) or source.stem


def find_collection(name_or_path: str, *, base: Path = Path("collections")) -> Path:
    """Return the folder of a collection, making it first if it is absent.

    Args:
        name_or_path: a collection's folder; a name of `names()`, made as `base/<name>`; or a folder
            with a subfolder of images a class, or of images with `captions.txt`, converted once; or
            images alone: a folder of them or of tar shards, a range of shards, or a list.
        base: where collections are made.

    Raises:
        ConfigError: the name is unknown, or the data it needs is not there.
        ArtefactError: the folder is an artefact of another kind, or damaged.
        InputError: the folder of images cannot be converted.
    """
    from zscr.data.sources.uncaptioned import is_source

    path = Path(name_or_path)
    if (path / MANIFEST).exists():
        return _checked(path)
    if name_or_path in names():
        return _made(name_or_path, base / name_or_path)
    if path.is_dir() or is_source(path):
        return _converted(path, base / _named(path))
    raise ConfigError(
        f"there is no collection '{name_or_path}': name a folder, or one of {', '.join(names())}"
    )


def _checked(path: Path) -> Path:
    read_manifest(path, "collection")
    return path


def _made(name: str, path: Path) -> Path:
    """Make a collection of nothing, or of its archive where the published data sets lie."""
    source = COLLECTIONS[name]
    make_told = _told(lambda out: source.function()(*_archives(name, source.archive), out))
    made_once(path, make_told)
    return _checked(path)


def _told(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Let `make` make a collection, and say how much of its source is not in it."""

    def make_told(out: Path) -> None:
        make(out)
        tell_skipped(out)

    return make_told


def tell_skipped(path: Path) -> None:
    """Say how many sources a new collection could not use, if any."""
    faults = path / "errors.jsonl"
    if faults.exists():
        count = len(faults.read_text("utf-8").splitlines())
        say(f"{count} sources could not be used: see {faults}")


def _archives(name: str, archive: str | None) -> list[Path]:
    return [_archive(name, archive)] if archive else []


def _archive(name: str, archive: str) -> Path:
    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        raise ConfigError(
            f"'{name}' needs {archive}.zip: set {DATA_VARIABLE} to the folder that holds it"
        )
    for found in (Path(folder) / f"{archive}.zip", Path(folder) / archive):
        if found.exists():
            return found
    raise ConfigError(
        f"{DATA_VARIABLE} is {folder}, which has neither {archive}.zip nor {archive}/; "
        f"put one there or set {DATA_VARIABLE} to the folder that has it"
    )


def _converted(source: Path, path: Path) -> Path:
    """Convert a folder of images, unless `path` was made of it and it is unchanged since."""
    from zscr.data.sources.captioned import convert_captions, is_captioned
    from zscr.data.sources.folder import convert_folder
    from zscr.data.sources.found import origin
    from zscr.data.sources.uncaptioned import convert_images, is_uncaptioned, origin_of

    convert: Callable[[Path, Path], None]
    if is_uncaptioned(source):
        convert, kind, now = convert_images, "images", origin_of
    elif is_captioned(source):
        convert, kind, now = convert_captions, "captions", origin
    else:
        convert, kind, now = convert_folder, "folder", origin
    made_once(path, _told(partial(convert, source)))
    made_of = read_manifest(path, "collection").body["provenance"]
    for key, value in now(source).items():
        if made_of.get(key) != value:
            raise ConfigError(
                f"{path} was made of {made_of.get('source')} and not of {source} as it is now; "
                f"remove it, or convert with 'zscr data convert {kind} {source} --out PATH'"
            )
    return path
