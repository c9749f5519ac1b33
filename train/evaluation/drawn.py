"""What the controls of sketches are fitted to: frozen networks' features of both domains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zscr.data.collection import Collection
from zscr.data.records import Query
from zscr.data.tasks import Task, gallery_queries
from zscr.infer.evaluation.controls.control import Features
from zscr.infer.evaluation.controls.domains import DOMAINS, Asked
from zscr.infer.evaluation.controls.sketches import NAMES, TEXTS
from zscr.infer.evaluation.naming import OF_CLASSES
from zscr.infer.features.encoded import Encoded, encode_tables
from zscr.infer.features.listing import Encoders
from zscr.infer.features.split import load_split
from zscr.infer.features.table import Array, Split, Table, starts_of
from zscr.infer.features.table_names import base_of, second_of


@dataclass(frozen=True)
class Drawn:
    """Sketches and images of a collection by frozen encoders; equal ones have equal controls.

    Attributes:
        key: tells collections and encoders apart.
        asked: the tables that are compared, of the first encoder.
        refit: whether what is chosen is fitted on the validation classes, too.
        collection: whose they are.
        encoders: by table, of sketches, images and their views; and of `text`, if there is one.
    """

    key: tuple[tuple[str, str], ...]
    asked: Asked
    refit: bool
    collection: Collection = field(compare=False)
    encoders: Encoders = field(compare=False)

    @classmethod
    def of(cls, collection: Collection, encoders: Encoders, asked: Asked, *, refit: bool) -> Drawn:
        """Tell these encoders apart from others by their hashes, as the collection by its own."""
        known = {name: one.sha256 if one else "" for name, one in encoders.items()}
        where = str(collection.folder.absolute())  # of two copies one may be damaged
        key = ((where, collection.manifest.sha256), *sorted(known.items()))
        return cls(key, asked, refit, collection, encoders)

    def split(self, name: str) -> Features:
        """Return the tables that controls are fitted to of a split's classes."""
        from zscr.train.methods.contract import Need

        needs = [Need(table) for table in self.encoders if base_of(table) in DOMAINS]
        if self._described:
            needs.append(Need(TEXTS))
        if self.encoders.get("text"):
            needs.append(Need(NAMES, texts=_names))
        return load_split(self.collection, name, needs, self.encoders)

    @property
    def _described(self) -> bool:
        """Whether every class that is fitted has a text, or published vectors of such."""
        if self.encoders.get("text") is None:
            return "text" in self.encoders
        splits = self.collection.splits
        return all(self.collection.texts([*splits["seen"], *splits["val"]]).values())

    def task(self, task: Task) -> tuple[Features, Task]:
        """Return the tables of a task's queries and gallery, and the task over these.

        What cannot be used of the gallery is left out. The groups are the gallery's classes where
        queries follow from classes, and else all is one.

        Raises:
            InputError: a query cannot be used.
        """
        found = gallery_queries(self.collection, task)
        gallery, held = self._tables(self.asked.gallery, found)
        queries, asking = self._tables(self.asked.queries, task.queries)
        asking.require_whole(task.queries, "queries of the controls")
        narrowed = task.narrowed(held.kept)
        asked, owned = self._labels(narrowed)
        groups = tuple(dict.fromkeys(owned))
        tables = _tables_of(queries, asked, groups) | _tables_of(gallery, owned, groups)
        return Split(groups, tables), narrowed

    def _tables(
        self, names: Sequence[str], queries: Sequence[Query]
    ) -> tuple[Mapping[str, Array], Encoded]:
        """Encode queries as each of some tables, by both encoders -> rows, and what is kept."""
        wanted = [*names, *(name for name in map(second_of, names) if name in self.encoders)]
        return encode_tables(wanted, queries, self.encoders, self.collection)

    def _labels(self, task: Task) -> tuple[Sequence[str], Sequence[str]]:
        """Return the groups of queries and of the gallery's items; both lie group after group."""
        if task.name not in OF_CLASSES:
            return ["all"] * len(task.queries), ["all"] * len(task.gallery)
        class_of = {item.id: str(item.class_id) for item in self.collection.items}
        return task.groups, [class_of[name] for name in task.gallery]


def _tables_of(
    rows: Mapping[str, Array], owned: Sequence[str], groups: Sequence[str]
) -> dict[str, Table[Array]]:
    counts = Counter(owned)
    starts, ids = starts_of([counts[group] for group in groups]), tuple(map(str, range(len(owned))))
    return {name: Table(ids, own, starts) for name, own in rows.items()}


def _names(collection: Collection, split: str) -> dict[str, list[str]]:
    classes = collection.splits[split]
    return {name: [f"a photo of a {collection.classes[name].name}"] for name in classes}
