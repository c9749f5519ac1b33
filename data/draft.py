"""A collection in the making: published whole and checked, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.artefact import Stage, dump_json, dump_jsonl, staged
from zscr.data.records import ClassInfo, Item, class_row, item_row
from zscr.data.rules import SPLITS, check_files, check_items
from zscr.data.task_files import TaskInfo, TaskRow, write_tasks
from zscr.data.task_info_rules import check_infos, follows
from zscr.data.task_rules import Known, check_rows
from zscr.disk import save_array


@dataclass
class Draft:
    """A collection in the making: save images under `folder`, then add what refers to them."""

    stage: Stage
    classes: list[ClassInfo] = field(default_factory=list)
    splits: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in SPLITS})
    items: list[Item] = field(default_factory=list)
    tasks: list[tuple[TaskInfo, list[TaskRow]]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where images and vectors go."""
        return self.stage.folder

    def add_class(self, info: ClassInfo, split: str) -> None:
        """Add a class to one split."""
        self.classes.append(info)
        self.splits[split].append(info.id)

    def add_item(self, item: Item) -> None:
        """Add an item whose files are saved already."""
        self.items.append(item)

    def add_task(self, info: TaskInfo, rows: Iterable[TaskRow] = ()) -> None:
        """Add a task with its queries of all splits; those of `sketch` follow from the classes."""
        self.tasks.append((info, list(rows)))

    def save_vectors(self, field_name: str, rows: npt.NDArray[np.float32]) -> None:
        """Save published vectors of `image` (a row an item) or `text` (see `text_rows`)."""
        folder = self.folder / "vectors"
        folder.mkdir(exist_ok=True)
        save_array(folder / f"{field_name}.npy", np.asarray(rows, np.float32))

    def skip(self, source: str, reason: str) -> None:
        """Record a source file that could not be used; it ends up in `errors.jsonl`."""
        self.skipped.append({"source": source, "reason": reason})


@contextmanager
def new_collection(
    path: Path, *, name: str, protocol: str, provenance: Mapping[str, Any]
) -> Iterator[Draft]:
    """Yield a draft; check it and publish it as the collection `path` when the block succeeds.

    Args:
        path: the folder to make; must not exist.
        name: short name, used in the names of runs and bundles.
        protocol: the published evaluation protocol that it follows, quirks included.
        provenance: how it was made: source, seed, versions.

    Raises:
        CollectionError: what was added contradicts itself; nothing is published.
        ArtefactError: `path` exists already, or the disk is full.
    """
    with staged(path, "collection") as stage:
        draft = Draft(stage)
        yield draft
        _check(draft)
        stage.body |= {"name": name, "protocol": protocol, "provenance": dict(provenance)}
        _write_tables(draft)


def _check(draft: Draft) -> None:
    check_items(draft.items, draft.classes, draft.splits)
    files = set(draft.stage.files)
    check_files(draft.items, files)
    known = Known(draft.items, draft.splits, files)
    check_infos([info for info, _ in draft.tasks], known)
    for info, rows in draft.tasks:
        if follows(info.name, known):
            assert not rows, f"the queries of '{info.name}' are not stored"
        else:
            check_rows(info, rows, known)


def _write_tables(draft: Draft) -> None:
    classes = {"classes": [class_row(c) for c in draft.classes], **draft.splits}
    (draft.folder / "classes.json").write_bytes(dump_json(classes))
    (draft.folder / "items.jsonl").write_bytes(dump_jsonl(map(item_row, draft.items)))
    write_tasks(draft.folder, draft.tasks)
    if draft.skipped:
        (draft.folder / "errors.jsonl").write_bytes(dump_jsonl(draft.skipped))
