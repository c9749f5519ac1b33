"""The collections that zscr knows: how each is made, and what it holds.

One list feeds `zscr data convert NAME`, `--collection NAME` and the table of docs/collections.md.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from zscr.artefact import MANIFEST, made_once, read_manifest
from zscr.errors import ConfigError

DATA_VARIABLE = "ZSCR_DATA"  # the folder where published data sets lie


@dataclass(frozen=True)
class Source:
    """One collection, or one kind of them.

    Attributes:
        make: the function that makes it, as `module:function`: it is imported on use alone.
        texts, images: what the collection holds, for docs/collections.md.
        what: the SOURCE that it is converted from; empty where it is made of nothing.
        example: such a SOURCE.
        options: the function's parameters that `zscr data convert` offers.
        arguments: the function's parameters that are the same for everyone.
        archive: the ZIP or folder below `ZSCR_DATA` that it is made of by its name alone.
    """

    make: str
    texts: str
    images: str
    what: str = ""
    example: str = ""
    options: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    archive: str | None = None

    def function(self) -> Callable[..., None]:
        """Import the function that makes it, its fixed arguments filled in."""
        module, name = self.make.split(":")
        return partial(getattr(importlib.import_module(module), name), **self.arguments)


_sketchy = partial(
    Source,
    "zscr.data.sources.sketchy:convert_sketchy",
    "class names, and LVIS's definitions of them",
    what="a folder or ZIP of Sketchy's photos and sketches",
    example="sketchy25.zip",
    archive="sketchy25",
)
_sketchy_clip = partial(
    Source,
    "zscr.data.sources.sketchy_clip:convert_sketchy_clip",
    "published CLIP vectors of class names",
    what="Sketchy's photos, with CLIP vectors of the classes' names as texts",
    example="sketchy25.zip",
    archive="sketchy25",
)

COLLECTIONS: Mapping[str, Source] = {
    "aviary": Source(
        "zscr.data.aviary:make_aviary",
        "captions and descriptions, all true",
        "drawn birds, sketches on request; 10 unseen species",
    ),
    "sketchy25": _sketchy(
        "photos and sketches; 21 unseen classes", options=("split", "names", "seed")
    ),
    "sketchy25-25": _sketchy(
        "photos and sketches; 25 unseen classes, for development",
        options=("names", "seed"),
        arguments={"split": "25"},
    ),
    "sketchy25-clip": _sketchy_clip(
        "photos; 18 unseen classes", options=("split", "names", "seed")
    ),
    "sketchy25-25-clip": _sketchy_clip(
        "photos; 23 unseen classes, for development",
        options=("names", "seed"),
        arguments={"split": "25"},
    ),
    "fashion44k": Source(
        "zscr.data.sources.fashion:convert_fashion",
        "product titles",
        "products; 20 unseen article types",
        what="a folder or ZIP of products, with 20 unseen article types",
        example="fashion44k.zip",
        options=("seed",),
        archive="fashion44k",
    ),
    "flickr8k_1k": Source(
        "zscr.data.sources.captioned:convert_captions",
        "five captions of each photo",
        "1,000 photos without classes, 200 to judge on",
        what="a folder or ZIP of 1,000 of Flickr8k's photos, with captions.txt",
        example="flickr8k_1k.zip",
        options=("seed",),
        archive="flickr8k_1k",
    ),
    "wiki": Source(
        "zscr.data.sources.wiki:convert_wiki",
        "published topics of articles",
        "published SIFT histograms; 5 unseen classes",
        what="a folder or ZIP of WIKI's features, with 5 unseen classes of 10",
        example="wiki_rasiwasia.zip",
        options=("seed",),
        archive="wiki_rasiwasia",
    ),
    "zscrgan": Source(
        "zscr.data.sources.zscrgan.convert:convert_zscrgan",
        "published vectors",
        "published vectors (CUB, FLO, AWA, NAB, WIKI)",
        what="a folder or ZIP that ZSCRGAN's authors published (four pickles)",
        example="CUB.zip",
        options=("val_classes", "seed"),
    ),
    "awa": Source(
        "zscr.data.sources.awa:convert_awa",
        "attributes of each class",
        "photos in AWA2's format",
        what="images with a matrix of class attributes in AWA2's format",
        example="Animals_with_Attributes2",
        options=("val", "seed"),
    ),
    "folder": Source(
        "zscr.data.sources.folder:convert_folder",
        "`captions.txt`, or class names",
        "any, in a folder a class",
        what="a folder with a subfolder of images for each class",
        example="photos/",
        options=("unseen", "val", "seed", "exclude", "follow_links"),
    ),
    "captions": Source(
        "zscr.data.sources.captioned:convert_captions",
        "`captions.txt`, what is said of each image",
        "any, without classes",
        what="a folder or ZIP of images with captions.txt, without classes",
        example="photos/",
        options=("unseen_images", "val_images", "seed", "exclude", "follow_links"),
    ),
}


def names() -> list[str]:
    """Return the collections that can be made by their name alone, given the data."""
    return [name for name, source in COLLECTIONS.items() if source.archive or not source.what]


def table() -> str:
    """Return the table of collections in docs/collections.md."""
    lines = ["| collection | made of | texts | images |", "|---|---|---|---|"]
    for name, source in COLLECTIONS.items():
        made_of = f"`{source.archive}.zip`" if source.archive else "nothing, on the spot"
        if name not in names():
            made_of = f"`zscr data convert {name} SOURCE`"
        lines.append(f"| `{name}` | {made_of} | {source.texts} | {source.images} |")
    return "\n".join(lines)


def is_made(name_or_path: str, *, base: Path = Path("collections")) -> bool:
    """Say whether `find_collection` would find something, and not make it first."""
    path = Path(name_or_path)
    return any((one / MANIFEST).exists() for one in (path, base / path.resolve().name))


def find_collection(name_or_path: str, *, base: Path = Path("collections")) -> Path:
    """Return the folder of a collection, making it first if it is absent.

    Args:
        name_or_path: a collection's folder; a name of `names()`, made as `base/<name>`; or a folder
            with a subfolder of images a class, or of images with `captions.txt`, converted once.
        base: where collections are made.

    Raises:
        ConfigError: the name is unknown, or the data it needs is not there.
        ArtefactError: the folder is an artefact of another kind, or damaged.
        InputError: the folder of images cannot be converted.
    """
    path = Path(name_or_path)
    if (path / MANIFEST).exists():
        return _checked(path)
    if name_or_path in names():
        return _made(name_or_path, base / name_or_path)
    if path.is_dir():
        return _converted(path, base / path.resolve().name)
    raise ConfigError(
        f"there is no collection '{name_or_path}': name a folder, or one of {', '.join(names())}"
    )


def _checked(path: Path) -> Path:
    read_manifest(path, "collection")
    return path


def _made(name: str, path: Path) -> Path:
    """Make a collection of nothing, or of its archive where the published data sets lie."""
    source = COLLECTIONS[name]
    made_once(path, lambda out: source.function()(*_archives(name, source.archive), out))
    return _checked(path)


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

    convert = convert_captions if is_captioned(source) else convert_folder
    made_once(path, partial(convert, source))
    made_of = read_manifest(path, "collection").body["provenance"]
    for key, value in origin(source).items():
        if made_of.get(key) != value:
            raise ConfigError(
                f"{path} was made of {made_of.get('source')} and not of {source} as it is now; "
                f"remove it, or convert with 'zscr data convert folder {source} --out PATH'"
            )
    return path
