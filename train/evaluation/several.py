"""Several tasks of a collection answered by the same models, and the means that are published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from zscr.data.collection import Collection
from zscr.data.tasks import task_info, task_names
from zscr.errors import CollectionError, ConfigError
from zscr.infer.evaluation.naming import origin_words
from zscr.infer.evaluation.task_means import mean_report
from zscr.progress import say
from zscr.train.evaluation.evaluate import TEXT, Question, answer, opened

WILD = frozenset("*?[")  # of a pattern of tasks


def is_several(tasks: Sequence[str]) -> bool:
    """Say whether names or patterns of tasks ask for more than one report."""
    return len(tasks) > 1 or any(WILD & {*name} for name in tasks)


def evaluate_tasks(
    model: Path | Sequence[Path], question: Question, tasks: Sequence[str]
) -> dict[str, Any]:
    """Answer tasks by name or pattern, and average over those of a pattern, then over patterns.

    `photo-to-*` and `toy-to-*` are FreeDom's mean over the targets of each of two sources, and over
    these; `dress`, `shirt` and `toptee` FashionIQ's mean over its categories.

    Args:
        model, question: see `evaluate_model`; the question's own task is passed over.
        tasks: names, or patterns as of file names.

    Returns:
        `tasks`: name -> its report; `means`: pattern -> `figures`, `metrics` and `controls` over
        its tasks, empty where `protocols` holds several; these four over the means; and what the
        models and the collection are called.

    Raises:
        CollectionError: a pattern fits no task of the collection, or two fit the same one.
        ConfigError: a page or a file of results is asked for, which is of one task.
        ZscrError: as `evaluate_model`.
    """
    if question.page or question.retrieved_res or question.beside:
        raise ConfigError(
            "a page (--report), the reference's result (--retrieved-res) and other models "
            "(--beside) are of one task; name one --task for them"
        )
    # Controls are fitted on features that are only read where the task `text` is asked for.
    models = opened(model, replace(question, task=TEXT) if question.controls else question)
    chosen = {name: _matching(models[0].collection, name) for name in tasks}
    names = [name for matched in chosen.values() for name in matched]
    if len({*names}) < len(names):
        raise CollectionError(f"the tasks {', '.join(tasks)} name one twice; give each once")
    reports = {name: answer(models, replace(question, task=name)) for name in names}
    means = {name: mean_report([reports[one] for one in chosen[name]]) for name in chosen}
    first = reports[names[0]]
    about = {key: first[key] for key in ("model", "collection", "split", "method", "kind")}
    about |= {"origin": origin_words(first)}
    return {**about, **mean_report([*means.values()]), "means": means, "tasks": reports}


def _matching(collection: Collection, pattern: str) -> list[str]:
    """Return the tasks that a name or pattern fits; of several those that have answers here."""
    names = task_names(collection)
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        raise CollectionError(
            f"{collection.folder} has no task '{pattern}'; it has {', '.join(names) or 'none'}"
        )
    judged = [name for name in found if task_info(collection, name).server is None]
    if judged and len(judged) < len(found):
        served = [name for name in found if name not in judged]
        say(f"{', '.join(served)}: a server keeps the answers, so '{pattern}' leaves that out")
    return judged or found
