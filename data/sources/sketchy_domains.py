"""Makes a collection of Sketchy for domain conversion: photos and sketches in one gallery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from zscr.data.collection import ClassInfo, Item, new_collection
from zscr.data.records import Query
from zscr.data.sources.archive import opened
from zscr.data.sources.definitions import spoken
from zscr.data.sources.origin import described, find_root
from zscr.data.sources.sketchy import (
    ANCHOR,
    PROTOCOLS,
    Split,
    both_domains,
    copied,
    defining,
    read_names,
    read_unseen,
    split_classes,
)
from zscr.data.task_files import TaskInfo, TaskRow

DOMAIN = "domain"
WAYS = (("photo", "sketch"), ("sketch", "photo"))  # from, to
_PROTOCOL = "relevant is the image's class in the other domain; the image itself is left out"
NAMED = {"21": "sketchy25-domains", "25": "sketchy25-25-domains"}


def convert_sketchy_domains(
    source: Path, out: Path, *, split: Split = "21", seed: int = 7, names: Path | None = None
) -> None:
    """Convert a Sketchy folder or ZIP into the collection `out`, for domain conversion.

    Photos and sketches are images of one gallery, which their attribute `domain` tells apart. In
    the tasks `photo-to-sketch` and `sketch-to-photo` every image of the one domain asks for its
    class in the other: "a sketch of *", whose `*` is the image, instead of "a photo of *". The
    image itself is left out of its ranking. Splits are those of `convert_sketchy`. An image's
    caption is "a sketch of a bat"; a class has its definition alone, where LVIS knows it.

    Args:
        source, out, split, seed, names: see `convert_sketchy`.

    Raises:
        InputError: as `convert_sketchy`.
    """
    definitions = read_names(source, names)
    with opened(source) as folder:
        root = find_root(source, folder, ANCHOR)
        images = both_domains(source, root)
        classes = sorted(images["photo"])
        split_of = split_classes(classes, read_unseen(root, split, classes), seed)
        with new_collection(
            out,
            name=NAMED[split],
            protocol=f"{PROTOCOLS[split]}; photos and sketches in one gallery",
            provenance={**described(source), "seed": seed},
        ) as draft:
            for class_id, where in split_of.items():
                defined = defining(class_id, definitions)
                draft.add_class(ClassInfo(class_id, spoken(class_id), defined), where)
                for domain, by_class in images.items():
                    caption = (f"a {domain} of a {spoken(class_id)}",)
                    for path, file in copied(draft, domain, class_id, by_class[class_id]):
                        name, about = f"{class_id}/{path.stem}", {DOMAIN: domain}
                        draft.add_item(Item(name, where, class_id, file, None, caption, about))
            for asked, wanted in WAYS:
                name = f"{asked}-to-{wanted}"
                info = TaskInfo(name, by="class", attribute=DOMAIN, protocol=_PROTOCOL)
                draft.add_task(info, _rows(draft.items, asked, wanted))


def _rows(items: Sequence[Item], asked: str, wanted: str) -> Iterator[TaskRow]:
    """Yield the query of each image of a domain, which asks for its class in another one."""
    for item in (item for item in items if item.attributes[DOMAIN] == asked):
        text, instead = f"a {wanted} of *", f"a {asked} of *"
        query = Query(item.id, text, item.image, instead_of=instead)
        yield TaskRow(
            query,
            item.split,
            str(item.class_id),
            class_id=item.class_id,
            value=wanted,
            exclude=(item.id,),
        )
