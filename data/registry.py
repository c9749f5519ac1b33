"""Finds the collection that a name or a path stands for, and makes it where that is possible."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from zscr.artefact import MANIFEST, read_manifest
from zscr.data.sources.fashion import convert_fashion
from zscr.data.sources.folder import convert_folder, origin
from zscr.data.sources.sketchy import convert_sketchy
from zscr.data.sources.sketchy_clip import convert_sketchy_clip
from zscr.data.sources.wiki import convert_wiki
from zscr.errors import ConfigError

DATA_VARIABLE = "ZSCR_DATA"  # the folder where published data sets lie


def find_collection(name_or_path: str, *, base: Path = Path("collections")) -> Path:
    """Return the folder of a collection, making it first if it is absent.

    Args:
        name_or_path: a collection's folder; `aviary` or another name of `MAKERS`, made as
            `base/<name>`; or a folder with a subfolder of images a class, converted once.
        base: where collections are made.

    Raises:
        ConfigError: the name is unknown, or the data it needs is not there.
        ArtefactError: the folder is an artefact of another kind, or damaged.
        InputError: the folder of images cannot be converted.
    """
    path = Path(name_or_path)
    if (path / MANIFEST).exists():
        return _checked(path)
    if name_or_path in MAKERS:
        return _made(base / name_or_path, MAKERS[name_or_path])
    if path.is_dir():
        return _converted(path, base / path.resolve().name)
    raise ConfigError(
        f"there is no collection '{name_or_path}': name a folder, or one of {', '.join(MAKERS)}"
    )


def _checked(path: Path) -> Path:
    read_manifest(path, "collection")
    return path


def _made(path: Path, make: Callable[[Path], None]) -> Path:
    if not path.exists():
        make(path)
    return _checked(path)


def _converted(source: Path, path: Path) -> Path:
    """Convert a folder of images, unless `path` was made of it and it is unchanged since."""
    if not path.exists():
        convert_folder(source, path)
    made_of = read_manifest(path, "collection").body["provenance"]
    for key, value in origin(source).items():
        if made_of.get(key) != value:
            raise ConfigError(
                f"{path} was made of {made_of.get('source')} and not of {source} as it is now; "
                f"remove it, or convert with 'zscr data convert folder {source} --out PATH'"
            )
    return path


def _make_aviary(path: Path) -> None:
    from zscr.data.aviary import make_aviary

    make_aviary(path)


def _make_published(path: Path, *, source: str, convert: Callable[[Path, Path], None]) -> None:
    """Convert `source`, a ZIP or a folder of that name where the published data sets lie."""
    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        raise ConfigError(
            f"'{path.name}' needs {source}.zip: set {DATA_VARIABLE} to the folder that holds it"
        )
    found = [p for p in (Path(folder) / f"{source}.zip", Path(folder) / source) if p.exists()]
    if not found:
        raise ConfigError(
            f"{DATA_VARIABLE} is {folder}, which has neither {source}.zip nor {source}/; "
            f"put one there or set {DATA_VARIABLE} to the folder that has it"
        )
    convert(found[0], path)


_sketchy = partial(_make_published, source="sketchy25")

MAKERS: dict[str, Callable[[Path], None]] = {
    "aviary": _make_aviary,
    "sketchy25": partial(_sketchy, convert=partial(convert_sketchy, split="21")),
    "sketchy25-25": partial(_sketchy, convert=partial(convert_sketchy, split="25")),
    "sketchy25-clip": partial(_sketchy, convert=partial(convert_sketchy_clip, split="21")),
    "sketchy25-25-clip": partial(_sketchy, convert=partial(convert_sketchy_clip, split="25")),
    "fashion44k": partial(_make_published, source="fashion44k", convert=convert_fashion),
    "wiki": partial(_make_published, source="wiki_rasiwasia", convert=convert_wiki),
}
