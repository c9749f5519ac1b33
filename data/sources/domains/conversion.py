"""What published sets of domain conversion share: images with a class and a domain, and directions.

Every image of one domain, with the name of another, asks for the images of its own class in that
other one, among the images of all domains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from zscr.data.draft import Draft
from zscr.data.records import ClassInfo, Item, Query
from zscr.data.sources.annotated import Located, add_image
from zscr.data.sources.definitions import spoken
from zscr.data.task_files import TaskInfo, TaskRow
from zscr.errors import InputError
from zscr.progress import progress

DOMAIN = "domain"  # the attribute of items
TRAPEZOID = "mAP trapezoid"  # the figure, beside its ordinary twin
SPLIT = "unseen"  # published sets are there to be judged on


@dataclass(frozen=True)
class Entry:
    """An image of a list.

    Attributes:
        name: its path as the list has it, which becomes the item's id.
        class_id: of what it shows; domain: the word that queries name its domain by.
        place: the list and the line that name it, where errors tell that.
    """

    name: str
    class_id: str
    domain: str
    place: str = ""

    @property
    def kind(self) -> tuple[str, str]:
        """Its class and domain: what a query asks for."""
        return self.class_id, self.domain


@dataclass
class Conversion:
    """A collection of domain conversion in the making.

    Attributes:
        draft: of the collection.
        gallery: the images that are searched, as published.
        files: name -> file in the collection, of all images that are there.
        lost: kind of what is missing -> how many, of queries in all tasks.
    """

    draft: Draft
    gallery: Sequence[Entry]
    files: Mapping[str, str]
    lost: Counter[str] = field(default_factory=Counter)

    @classmethod
    def begun(
        cls,
        draft: Draft,
        gallery: Sequence[Entry],
        queries: Sequence[Entry],
        images: Located,
        names: Mapping[str, str] | None = None,
    ) -> Conversion:
        """Put the images into a collection, and add the items and the classes.

        Args:
            draft, gallery: see the class.
            queries: the images that ask; they may be of the gallery.
            images: of the gallery and of the queries.
            names: class id -> its name, where it is not the id as words.
        """
        made = cls(draft, gallery, put(draft, images))
        made.lost["missing_images"] = len(images.files) + len(images.missing) - len(made.files)
        for one in (one for one in gallery if one.name in made.files):
            file, about = made.files[one.name], {DOMAIN: one.domain}
            draft.add_item(Item(one.name, SPLIT, one.class_id, file, attributes=about))
        there = (one.class_id for one in (*gallery, *queries) if one.name in made.files)
        for class_id in dict.fromkeys(there):
            name = (names or {}).get(class_id, spoken(class_id))
            draft.add_class(ClassInfo(class_id, name), SPLIT)
        return made

    @cached_property
    def _listed(self) -> frozenset[tuple[str, str]]:
        return frozenset(one.kind for one in self.gallery)

    @cached_property
    def _held(self) -> frozenset[tuple[str, str]]:
        return frozenset(one.kind for one in self.gallery if one.name in self.files)

    def add_directions(self, info: TaskInfo, queries: Sequence[Entry]) -> None:
        """Add a task for each domain of the queries and each other one: `photo-to-toy`.

        A query's text is the bare name of the other domain.

        Args:
            info: what the tasks share; their names and relevance are filled in.
            queries: the images that ask.
        """
        domains = list(dict.fromkeys(one.domain for one in self.gallery))
        for source in dict.fromkeys(one.domain for one in queries):
            asking = [one for one in queries if one.domain == source]
            for target in (domain for domain in domains if domain != source):
                named = replace(info, name=f"{source}-to-{target}")
                self.add_task(named, asking, target, target)

    def add_task(self, info: TaskInfo, asking: Iterable[Entry], target: str, text: str) -> None:
        """Add the task of a direction, as far as its images are there; what is not is counted.

        A query whose class has no image in the target domain counts 0, as published; one that has
        lost all of them here is left out.

        Args:
            info: its name, protocol and figures.
            asking: the images that ask; target: the domain that is asked for.
            text: that each query says beside its image.
        """
        rows, lost = list[TaskRow](), Counter[str]()
        for one in asking:
            wanted = one.class_id, target
            if one.name not in self.files:
                lost["queries_without_image"] += 1
            elif wanted in self._listed and wanted not in self._held:
                lost["queries_without_answer"] += 1
            else:
                query = Query(one.name, text, self.files[one.name])
                about = SPLIT, one.class_id
                rows.append(TaskRow(query, *about, class_id=one.class_id, value=target))
        self.lost += lost
        missing = lost.total() + sum(one.name not in self.files for one in self.gallery)
        if rows:
            decided = replace(info, by="class", attribute=DOMAIN, zeros=True, missing=missing)
            self.draft.add_task(decided, rows)

    def finish(self, provenance: dict[str, Any]) -> None:
        """Write down what is missing.

        Raises:
            InputError: no query has both its image and an answer.
        """
        provenance |= self.lost
        if not self.draft.tasks:
            raise InputError(
                "no query of the lists has its image and an image to be found; fetch more of them"
            )


def put(draft: Draft, images: Located) -> dict[str, str]:
    """Put images into a collection -> name -> file; record those that cannot be used."""
    files = {}
    for name in images.missing:
        draft.skip(name, "is not there")
    with progress("checking images", len(images.files)) as bar:
        for name, path in images.files.items():
            if file := add_image(draft, path, name):
                files[name] = file
            bar.advance()
    return files


def freedom(*ks: int) -> TaskInfo:
    """Return what the tasks of FreeDom's protocol share; its published figures are at some k."""
    return TaskInfo(
        "",
        protocol="FreeDom's domain conversion (Efthymiadis et al., WACV 2025): mean over queries; "
        "published are means over the other domains of each domain, and over these",
        figures=(TRAPEZOID, "mAP", *(f"Recall@{k}" for k in ks), *(f"P@{k}" for k in ks)),
    )
