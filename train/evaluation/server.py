"""`zscr evaluate --server-file`: rankings for a server that keeps the answers of a task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zscr.data.tasks import load_task
from zscr.disk import require_writable
from zscr.errors import ConfigError, InputError
from zscr.infer.evaluation.server_files import FORMATS, write_server_files
from zscr.train.evaluation.evaluate import Question, opened, own_task


def answer_server(models: Sequence[Path], question: Question, folder: Path) -> list[Path]:
    """Rank a task's gallery by a model, and write what the task's server takes.

    Args:
        models: a run or a bundle; one, since a mean of figures is the server's.
        question: the task, and what is done for the model.
        folder: where the files go.

    Returns:
        The files.

    Raises:
        ConfigError: there are several models, or the task has its answers here.
        InputError: the model takes none of its queries, or its images are not all there.
        ArtefactError: the folder cannot be written to.
    """
    if len(models) > 1:
        raise ConfigError(f"--server-file writes the rankings of one model, not of {len(models)}")
    require_writable(folder / "server.json")
    [model] = opened(models, question)
    task = load_task(model.collection, question.task or own_task(model), question.split)
    if task.server is None:
        held = [info.name for info in model.collection.tasks.values() if info.server in FORMATS]
        raise ConfigError(
            f"task '{task.name}' has its answers here, and no server takes its rankings; name one "
            f"of {', '.join(held) or 'a collection that has such tasks'}, or leave out "
            f"--server-file"
        )
    if not model.answers(task):
        raise InputError(f"{model.unanswered(task)}; choose another model")
    reranking = model.reranking(task, question.rerank)
    ranked = question.use(model.rank(task, features=bool(question.use), reranking=reranking))
    return write_server_files(folder, ranked, task)
