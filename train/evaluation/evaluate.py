"""`zscr evaluate`: the figures of a task, alike for a run, by torch, and for a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from zscr.data.tasks import Task, load_task
from zscr.disk import require_writable
from zscr.errors import ConfigError, InputError
from zscr.infer.evaluation.captions import asks_by_caption
from zscr.infer.evaluation.figures import DEFINITIONS
from zscr.infer.evaluation.gallery_use import GalleryUse
from zscr.infer.evaluation.generalised import evaluate
from zscr.infer.evaluation.naming import grouped_by
from zscr.infer.evaluation.page import ORACLE
from zscr.infer.evaluation.paired import with_differences
from zscr.infer.evaluation.ranked import Ranked
from zscr.train.evaluation.beside import figures_beside, figures_of
from zscr.train.evaluation.composed import part_figures
from zscr.train.evaluation.controls import class_controls
from zscr.train.evaluation.model import Model
from zscr.train.evaluation.models import open_models, open_others
from zscr.train.evaluation.sketches import sketch_figures
from zscr.train.evaluation.written import write_page, write_reference_result

NOT_RERANKED = "without re-ranking"  # the control
TEXT = "text"  # the task in which texts of classes ask for their images
OF_FIELDS = (TEXT, "sketch")  # tasks called by what asks


@dataclass(frozen=True)
class Question:
    """What is to be evaluated, and what is wanted beside the figures.

    Attributes:
        task: one of the collection's; empty: `text`, or `sketch` of a model that takes sketches
            and no texts.
        split: `unseen` (the reported figures) or `val`.
        collection: another one than the models were trained on.
        head_settings: such as `{"noise_samples": 8}`, of runs.
        controls: judge the controls too; of a run, which has the features.
        generalised: judge with the seen classes' images in the gallery as well.
        retrieved_res: folder for the reference's own result pickle, of the first model.
        page: file for the report as one HTML page, generalised and, of a run, with controls.
        use: what the gallery does for the model's queries and embeddings.
        beside: other runs or bundles that answer the same task, of any configuration.
        compose: the composition of bundles that answers queries of several fields; None is each
            bundle's first.
        rerank: how many of the best images of each query are ranked anew; 0: none.
    """

    task: str = ""
    split: str = "unseen"
    collection: Path | None = None
    head_settings: Mapping[str, Any] = field(default_factory=dict)
    controls: bool = False
    generalised: bool = False
    retrieved_res: Path | None = None
    page: Path | None = None
    use: GalleryUse = GalleryUse()
    beside: Sequence[Path] = ()
    compose: str | None = None
    rerank: int = 0


def evaluate_model(
    model: Path | Sequence[Path], question: Question | None = None
) -> dict[str, Any]:
    """Answer a task with runs or bundles; several that differ in their seed alone give means.

    Where no graph of a model takes the queries of a task other than `text`, the report holds the
    controls and the bounds alone, and `unanswered` says why.

    Raises:
        ArtefactError: a folder is neither a run nor a bundle.
        CollectionError: the collection has no such task.
        ConfigError: an option that only a run has was given for a bundle, or the validation
            classes for a model that was trained on them.
        InputError: the model takes none of the task's queries, or the task has nothing to write.
        MismatchError: the models differ in more than their seed.
    """
    asked = question or Question()
    for place in (asked.page, asked.retrieved_res and asked.retrieved_res / "acc.pkl"):
        if place:
            require_writable(place)
    return answer(opened(model, asked), asked)


def opened(model: Path | Sequence[Path], asked: Question) -> list[Model]:
    """Open the models that answer a question, whatever its task; see `evaluate_model`."""
    return open_models(
        [model] if isinstance(model, Path) else list(model),
        asked.collection,
        settings=asked.head_settings,
        controls=asked.controls and asked.task in ("", TEXT),  # others need no features
        split=asked.split,
        compose=asked.compose,
    )


def answer(models: Sequence[Model], asked: Question) -> dict[str, Any]:
    """Answer a question with open models; see `evaluate_model`."""
    first = models[0]
    asked = replace(asked, task=asked.task or own_task(first))
    if asked.use and asked.rerank:
        raise ConfigError("--expand and --diffuse do not go with --rerank; leave out one of them")
    tasks = _tasks(first, asked)
    embedded = _embedded(models, tasks, asked)
    controls = _controls(first, tasks, asked) | _not_reranked(first, tasks[0], asked.rerank)
    report = _head(models, tasks[0])
    report |= {"gallery_use": str(asked.use)} if asked.use else {}
    report |= _told_of_reranking(first, tasks[0], asked.rerank)
    if embedded:
        report |= figures_of(models, embedded, asked.use)
        report |= _beside(report, first, tasks, controls, asked)
    else:
        report |= _unanswered(first, tasks[0], controls) | {"controls": controls}
    report["definitions"] = dict(DEFINITIONS)
    if embedded:
        _write_files(report, first, asked.use(embedded[0][0]), asked)
    return report


def own_task(model: Model) -> str:
    """Return the task that a model is for where none is named."""
    return next((name for name in OF_FIELDS if frozenset({name}) in model.takes), TEXT)


def _told_of_reranking(model: Model, task: Task, top: int) -> dict[str, Any]:
    """Return what is said of figures that are a re-ranking's."""
    if not top:
        return {}
    chosen, used = model.require_pairing(task.fields).chosen(), model.reranking(task, top)
    return {"reranking": {**chosen, "used": str(used)}}


def _tasks(model: Model, asked: Question) -> list[Task]:
    """Return the task on the split judged on, and for generalised figures on the seen classes."""
    _require_unfitted(model, asked.split)
    task = load_task(model.collection, asked.task, asked.split)
    task.require_answers()
    captions = asks_by_caption(task)
    if captions and asked.rerank:
        raise ConfigError(
            f"captions and images of {model.collection.folder} ask for each other, which nothing "
            f"re-ranks; leave out --rerank"
        )
    if captions and asked.generalised:
        raise ConfigError(
            f"generalised figures are of seen and unseen classes, which task '{task.name}' of "
            f"{model.collection.folder} does not tell apart; leave out --generalised"
        )
    if asked.generalised or (asked.page and asked.task == TEXT and not captions):
        return [task, load_task(model.collection, asked.task, "seen")]
    return [task]


def _require_unfitted(model: Model, split: str) -> None:
    """Refuse to judge a model by classes that it was fitted on."""
    if split == "val" and model.about["selection"] == ORACLE:
        raise ConfigError(
            f"{model.folder} was trained on the validation classes, for the unseen ones selected "
            f"(select_on_test); judge it with --split unseen"
        )
    if split == "val" and model.about["refitted"]:
        raise ConfigError(
            f"{model.folder} was refitted on the validation classes; judge its run, which keeps "
            f"the weights from before, or use --split unseen"
        )


def _embedded(
    models: Sequence[Model], tasks: Sequence[Task], asked: Question
) -> list[list[Ranked]]:
    """Embed each task by each model; nothing where the models do not take the queries."""
    if models[0].answers(tasks[0]):
        return [[_ranked(model, task, asked) for task in tasks] for model in models]
    if asks_by_caption(tasks[0]) or asked.task == TEXT or asked.page or asked.retrieved_res:
        raise InputError(f"{models[0].unanswered(tasks[0])}; choose another --task or model")
    return []


def _ranked(model: Model, task: Task, asked: Question) -> Ranked:
    reranking = model.reranking(task, asked.rerank)
    return model.rank(task, features=bool(asked.use), reranking=reranking)


def _controls(model: Model, tasks: Sequence[Task], asked: Question) -> dict[str, Any]:
    """Return the controls: of the task `text` where they are asked for, of others always.

    Captions that ask for what they are said of have no parts, and no classes to fit controls on.
    """
    if asks_by_caption(tasks[0]):
        if asked.controls:
            raise ConfigError(
                f"the controls are fitted on classes, which {model.collection.folder} has not; "
                f"leave out --controls"
            )
        return {}
    if asked.task != TEXT:
        drawn = model.drawn() if _asks_by_sketch(model, tasks[0]) else None
        return sketch_figures(drawn, tasks, asked.use) if drawn else part_figures(model, tasks[0])
    if asked.controls and not model.features:
        raise ConfigError(
            f"{model.folder} was trained without images or texts of classes, which the controls "
            f"need; leave out --controls"
        )
    if model.features and (asked.controls or asked.page):
        return class_controls(model, [task.split for task in tasks], asked.use)
    return {}


def _not_reranked(model: Model, task: Task, top: int) -> dict[str, Any]:
    """Return the figures that a re-ranking is to be compared with."""
    return {NOT_RERANKED: evaluate(model.rank(task)).to_json()} if top else {}


def _beside(
    report: Mapping[str, Any],
    first: Model,
    tasks: Sequence[Task],
    controls: Mapping[str, Any],
    asked: Question,
) -> dict[str, Any]:
    """Return the controls and the other models, with how far the model is ahead of each."""
    others = open_others(asked.beside, first, asked.collection, split=asked.split)
    for model in chain(*others):
        _require_unfitted(model, asked.split)
    beside = {"controls": controls, "beside": figures_beside(others, tasks, asked.use)}
    return {name: with_differences(report, found) for name, found in beside.items() if found}


def _asks_by_sketch(model: Model, task: Task) -> bool:
    return task.fields == {"sketch"} and model.answers(task)


def _unanswered(model: Model, task: Task, controls: Mapping[str, Any]) -> dict[str, Any]:
    """Say why a task is not answered, and what is known of it all the same: sizes and bounds."""
    control = controls["random ranking"]
    known = ("figures", "chance", "queries", "gallery", "groups", "excluded", "zeros")
    bounds = {name: v for name, v in control["metrics"].items() if name.endswith("ceiling")}
    about = {name: control[name] for name in known} | {"metrics": bounds, "intervals": {}}
    return about | {"unanswered": model.unanswered(task)}


def _head(models: Sequence[Model], task: Task) -> dict[str, Any]:
    first = models[0]
    about = {key: value for key, value in first.about.items() if key != "sources"}
    named = {"collection": first.collection.name, "protocol": task.protocol}
    named |= {"collection_sha256": first.collection.manifest.sha256}
    named |= {"task": task.name, "split": task.split, "grouped_by": grouped_by(task)}
    each = {"seeds": [model.about["seed"] for model in models]}
    each |= {"weights": [model.about["weights"] for model in models]}
    composition = first.composition(task)
    composed = {"composition": composition} if composition else {}
    head = {"model": str(first.folder), **named, "missing": task.missing}
    return {**head, **about, **composed, **each}


def _write_files(report: dict[str, Any], model: Model, ranked: Ranked, asked: Question) -> None:
    """Write the page and the reference's own result, of the first model."""
    if asked.retrieved_res:
        report["retrieved_res"] = str(write_reference_result(ranked, model, asked.retrieved_res))
    if asked.page:
        write_page(asked.page, report, model, ranked)
