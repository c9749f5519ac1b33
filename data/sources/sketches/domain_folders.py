"""Makes a collection of folders of domains, as PACS and its like are: one asks for others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zscr.data.collection import ClassInfo, new_collection
from zscr.data.names import nfc, written
from zscr.data.sources.annotated import Located
from zscr.data.sources.archive import opened
from zscr.data.sources.class_split import FEWEST, split_classes
from zscr.data.sources.definitions import spoken
from zscr.data.sources.domains.conversion import Entry
from zscr.data.sources.found import name_of, refuse_inside
from zscr.data.sources.lookup import Disk
from zscr.data.sources.origin import described
from zscr.data.sources.sketches.sides import Sides
from zscr.data.task_files import TaskInfo
from zscr.data.walk import find_images
from zscr.errors import ConfigError, InputError


def convert_domains(
    source: Path,
    out: Path,
    *,
    asking: str = "sketch",
    gallery: Sequence[str] = ("photo",),
    unseen: float | int = 0.2,
    val: float | int = 0.2,
    seed: int = 7,
) -> None:
    """Convert `<domain>/<class>/*` into the collection `out`, in which one domain asks for others.

    Every image of the domain that asks is an item's sketch, whatever it is of, and every image of
    the other ones an item's image; ids are paths. Other domains are not looked at. `unseen.txt` and
    `val.txt` beside the domains, a class a line, replace the choice of classes.

    Args:
        source: a folder or ZIP with the folders of the domains, at most three folders down.
        out: the collection to make; must not exist.
        asking: the domain that asks; gallery: those that are searched.
        unseen: share or number of all classes to hold out for the test.
        val: share or number of the remaining ones to hold out for validation.
        seed: of the choice of classes.

    Raises:
        InputError: a domain is not there, a class is of one side alone, there are fewer than 4, or
            a list of classes is none.
        ConfigError: a domain is no folder's name, or is to ask and to be searched; or too many
            classes are to be held out.
    """
    if asking in gallery or not gallery:
        raise ConfigError(
            f"the domain '{asking}' cannot ask for the domains {', '.join(gallery) or 'of none'}; "
            f"name others with --gallery"
        )
    for domain in (asking, *gallery):
        if Path(domain).name != domain or domain in ("", ".."):
            raise ConfigError(f"the domain {domain!a:.60} is no name of a folder; give one name")
    refuse_inside(source, out)
    with opened(source) as folder:
        root = _root(source, folder, (asking, *gallery))
        sketches = _images(root, asking)
        photos = {one: path for domain in gallery for one, path in _images(root, domain).items()}
        sides = Sides([*photos], [*sketches])
        split_of = split_classes(root, _classes(source, sides), seed, unseen, val)
        files = {one.name: path for one, path in (photos | sketches).items()}
        protocol = f"each {asking} asks for its class among {' and '.join(gallery)}"
        provenance: dict[str, Any] = {**described(source), "seed": seed}
        provenance |= {"asking": asking, "gallery": [*gallery]}
        name = name_of(source if source.is_dir() else source.with_suffix(""))
        with new_collection(out, name=name, protocol=protocol, provenance=provenance) as draft:
            lost = sides.add(draft, Located(files, ()), split_of, _describe)
            provenance["missing_images"] = dict(lost)
            draft.add_task(TaskInfo("sketch", by="class", missing=lost["unseen"]))


def _root(source: Path, folder: Path, domains: Sequence[str]) -> Path:
    """Return the one folder that holds the folders of some domains."""
    below = map(Path, Disk().below(folder))
    found = [one for one in below if all((one / domain).is_dir() for domain in domains)]
    if len(found) != 1:
        raise InputError(
            f"{source} holds the folders {' and '.join(domains)} side by side in {len(found)} "
            f"folders, not in one; name its domains with --asks and --gallery"
        )
    return found[0]


def _classes(source: Path, sides: Sides) -> list[str]:
    """Return the classes of both sides, enough of them to train and to judge on."""
    classes = sorted({one.class_id for side in sides.both for one in side})
    sides.require_both(dict.fromkeys(classes, str(source)))
    if len(classes) < FEWEST:
        raise InputError(
            f"{source} has {len(classes)} classes in these domains, zero-shot training needs "
            f"{FEWEST} or more; name a folder with more"
        )
    return classes


def _images(root: Path, domain: str) -> dict[Entry, Path]:
    """Return the images of a domain, whose classes are the folders in it, and their files."""
    found = {}
    for path in find_images(root / domain):
        name = path.relative_to(root)
        if len(name.parts) < 3:
            raise InputError(
                f"{path} lies in no folder of a class; put it into {domain}/<class>/, or remove it"
            )
        found[Entry(written(name), nfc(written(Path(name.parts[1]))), domain)] = path
    return found


def _describe(class_id: str) -> ClassInfo:
    return ClassInfo(class_id, spoken(class_id), (f"a photo of a {spoken(class_id)}",))
