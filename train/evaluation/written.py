"""What `zscr evaluate` writes beside its figures: the page, and the reference's own result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zscr.data.relevance import ByLabel
from zscr.data.tasks import query_labels
from zscr.disk import new_parents
from zscr.errors import ConfigError
from zscr.infer.answers.shown import Shown
from zscr.infer.evaluation.extremes import find_extremes
from zscr.infer.evaluation.page import render_page
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.evaluation.retrieved import retrieved_classes, write_retrieved
from zscr.partial import asked_file
from zscr.train.evaluation.model import Model


def write_reference_result(ranked: Ranked, model: Model, folder: Path) -> Path:
    """Write the top 50 of every query in the reference's form; return the file.

    Raises:
        ConfigError: the task is not of classes.
    """
    if not isinstance(ranked.task.relevance, ByLabel):
        raise ConfigError(
            f"--retrieved-res: the reference's result is of classes, which task "
            f"'{ranked.task.name}' does not ask for; leave it out"
        )
    class_of = {item.id: str(item.class_id) for item in model.collection.items}
    rows = retrieved_classes(
        ranked.scorer,
        query_classes=ranked.task.groups,
        gallery_classes=[class_of[name] for name in ranked.task.gallery],
    )
    return write_retrieved(folder, rows)


def write_page(path: Path, report: Mapping[str, Any], model: Model, ranked: Ranked) -> None:
    """Write a report with its best and worst queries as one page.

    Raises:
        ConfigError: it cannot be written there.
    """
    collection = model.collection
    labels = query_labels(collection, ranked.task)
    field = "sketch" if ranked.task.field == "sketch" else "image"
    files = {item.id: getattr(item, field) for item in collection.items}
    images = {name: collection.folder / file for name, file in files.items() if file}
    classes = {item.id: item.class_id for item in collection.items if item.class_id}
    extremes = find_extremes(ranked, labels, images, classes=classes)
    page = render_page(report, extremes, Shown([collection.folder], hint=""))
    try:
        with new_parents(Path(os.path.realpath(path))), asked_file(path) as file:
            file.write(page.encode())
    except OSError as error:
        why = f"{path} cannot be written ({error.strerror})"
        raise ConfigError(f"{why}; name another place") from error
