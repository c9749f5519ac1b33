"""Controls of tasks whose queries have parts, embedded by the model's own graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zscr.data.tasks import Task, load_task, task_rows
from zscr.infer.encoder import Rows
from zscr.infer.evaluation.controls.composed import CHANCE, part_controls
from zscr.infer.evaluation.controls.control import unit
from zscr.infer.evaluation.controls.fusions import Parts, Way, plain_ways, replacing_way
from zscr.infer.evaluation.generalised import evaluate
from zscr.train.evaluation.model import Model, spoken_text

CHOOSING = "val"  # the split whose queries choose


def part_figures(model: Model, task: Task) -> dict[str, Any]:
    """Return the figures of what composes a task's queries without training, and of chance.

    Each part alone and the mean of all; of a text beside an image or a sketch also what
    `composed_ways` lists, whose numbers the validation queries of the same task choose where there
    are such and the task judged is another one.

    Raises:
        InputError: the model takes no part of the queries.
    """
    parts, gallery, task = model.embed_parts(task)
    controls: dict[str, Any] = dict(part_controls(parts, gallery, task))
    figures = {name: evaluate(control).to_json() for name, control in controls.items()}
    chance = figures.pop(CHANCE)
    if own := _parts(model, parts, gallery, task):
        val = _choosing(model, task)
        for way in composed_ways(own, val):
            ranked, said = way.judged(own, val)
            figures[way.name] = said | evaluate(ranked).to_json()
    return figures | {CHANCE: chance}


def composed_ways(parts: Parts, val: Parts | None) -> list[Way]:
    """Return what composes an image and a text without training.

    Text arithmetic is less the mean of the validation queries' texts; all of one text would be its
    own mean.
    """
    mean, where = None, ""
    if val is not None and val.texts is not None and len(set(val.texts)) > 1:
        mean, where = val.text.mean(axis=0), f"the mean of {len(val.texts):,} validation texts"
    told = [replacing_way()] if parts.replaced is not None else []
    return [*plain_ways(mean, where), *told]


def _choosing(model: Model, task: Task) -> Parts | None:
    """Return the validation queries of a task, if there are any and they are not judged on."""
    if task.split == CHOOSING or not task_rows(model.collection, task.name, [CHOOSING]):
        return None
    return _parts(model, *model.embed_parts(load_task(model.collection, task.name, CHOOSING)))


def _parts(model: Model, parts: Mapping[str, Rows], gallery: Rows, task: Task) -> Parts | None:
    """Return a text beside one image or sketch as unit rows; None of any other queries."""
    if "text" not in parts or len(parts) != 2:
        return None
    [other] = parts.keys() - {"text"}
    replaced = [query.parts[0].instead_of for query in task.queries]
    return Parts(
        task,
        unit(parts[other]),
        unit(parts["text"]),
        unit(gallery),
        replaced=_embedded(model, replaced),
        texts=[spoken_text(query.parts[0]) for query in task.queries],
    )


def _embedded(model: Model, texts: Sequence[str | None]) -> Rows | None:
    """Embed what texts replace, where all queries say it."""
    said = [text for text in texts if text is not None]
    return unit(model.embed_texts(said)) if len(said) == len(texts) else None
