"""Controls of tasks whose queries have parts, embedded by the model's own graphs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from zscr.data.tasks import Task, load_task, task_rows
from zscr.infer.encoder import Rows
from zscr.infer.evaluation.controls.composed import CHANCE, part_controls
from zscr.infer.evaluation.controls.control import unit
from zscr.infer.evaluation.controls.fusions import (
    Parts,
    Way,
    arithmetic_way,
    plain_ways,
    replacing_way,
)
from zscr.infer.evaluation.generalised import evaluate
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.inputs.sentence import without_place
from zscr.progress import say
from zscr.train.evaluation.composed_words import TaskWords
from zscr.train.evaluation.model import Model, spoken_text

CHOOSING = "val"  # the split whose queries choose


def part_figures(model: Model, task: Task) -> dict[str, Any]:
    """Return the figures of what composes a task's queries without training, and of chance.

    Each part alone and the mean of all; of a text beside an image or a sketch also the ways of
    `zscr.infer.evaluation.controls.fusions`, BASIC and, given a vocabulary, FreeDom. Their numbers
    are chosen by the validation queries of the same task, where there are such and they are not
    judged on.

    Raises:
        InputError: the model takes no part of the queries.
    """
    controls = composed_controls(model, task)
    return {name: said | evaluate(ranked).to_json() for name, ranked, said in controls}


def composed_controls(model: Model, task: Task) -> Iterator[tuple[str, Ranked, dict[str, Any]]]:
    """Yield each control by its name, with what a report says of how its numbers were chosen.

    A single part of which the model takes queries is the model itself, and no control.

    Raises:
        InputError: the model takes no part of the queries.
    """
    parts, gallery, task = model.embed_parts(task)
    alone = part_controls(parts, gallery, task)
    chance = alone.pop(CHANCE)
    if len(parts) > 1 or not model.answers(task):
        yield from ((name, control, {}) for name, control in alone.items())
    for way, own, val in _ways(model, task, parts, gallery):
        ranked, said = way.judged(own, val)
        yield way.name, ranked, said
    yield CHANCE, chance, {}


def _ways(
    model: Model, task: Task, rows: Mapping[str, Rows], gallery: Rows
) -> Iterator[tuple[Way, Parts, Parts | None]]:
    """Yield what composes a text and one image or sketch, with both kinds of queries."""
    own = _parts(model, rows, gallery, task)
    if own is None:
        return
    val = _choosing(model, task)
    words = TaskWords(model, [*own.texts, *(val.texts if val else ())])
    own = replace(own, phrased=words.phrased(own.texts))
    val = val and replace(val, phrased=words.phrased(val.texts))
    told = [replacing_way()] if own.replaced is not None else []
    for way in [*plain_ways(), *_arithmetic(val, words), *told, *words.ways()]:
        yield way, own, val


def _arithmetic(val: Parts | None, words: TaskWords) -> list[Way]:
    """Return text arithmetic, less a mean of texts: all validation texts of one say nothing."""
    if val is not None and len(set(val.texts)) > 1:
        about = f"less the mean of {len(val.texts):,} validation texts"
        return [arithmetic_way(val.text.mean(axis=0), about)]
    mean = words.mean
    if mean is None:
        say(
            "text arithmetic without what a text replaces is left out: neither validation texts "
            "nor words that the text encoder knows give a mean to subtract"
        )
        return []
    return [arithmetic_way(mean, "less the mean of styles and contexts")]


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
    texts = [spoken_text(query.parts[0]) for query in task.queries]
    replaced = [query.parts[0].instead_of for query in task.queries]
    rows = unit(parts[other]), unit(parts["text"]), unit(gallery)
    return Parts(task, *rows, texts, replaced=_embedded(model, replaced))


def _embedded(model: Model, texts: Sequence[str | None]) -> Rows | None:
    """Embed what texts replace, where all queries say it."""
    said = [without_place(text) for text in texts if text is not None]
    return unit(model.embed_texts(said)) if len(said) == len(texts) else None
