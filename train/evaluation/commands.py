"""`zscr evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zscr.options import memory_option, verify_option
from zscr.progress import say
from zscr.train.options import head_settings

if TYPE_CHECKING:
    from zscr.train.evaluation.evaluate import Question


@click.command()
@click.argument("models", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "--collection",
    help="A collection's folder or name, or a folder of images [the one it was trained on].",
)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    help="One of `zscr data info`'s tasks; of several, or a pattern such as 'photo-to-*', means "
    "[text; sketch, of a model that takes no texts].",
)
@click.option(
    "--split",
    type=click.Choice(["unseen", "val"]),
    default="unseen",
    show_default=True,
    help="The classes, or images, to judge on.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the heads (runs), such as raw_feature=true.",
)
@click.option(
    "--noise-samples",
    type=click.IntRange(0),
    help="The same as --set noise_samples=K (zscrgan): average K fixed draws of noise.",
)
@click.option(
    "--compose",
    metavar="NAME",
    help="The composition of queries of several fields (bundles) [the bundle's first].",
)
@click.option("--controls", is_flag=True, help="Add ridge, ESZSL, a dual encoder, … (runs).")
@click.option(
    "--beside",
    "others",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Another run or bundle in the same table; those that differ in their seed alone as means.",
)
@click.option("--generalised", is_flag=True, help="Also with the seen classes in the gallery.")
@click.option(
    "--expand",
    type=click.IntRange(1),
    metavar="K",
    help="Expand queries by their top K images, as `zscr query` does.",
)
@click.option(
    "--rerank",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Re-rank the top N of each query by comparing tokens.",
)
@click.option("--diffuse", is_flag=True, help="Diffuse embeddings, as `zscr index add` does.")
@click.option(
    "--report",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write one HTML page; implies --generalised and, of runs, --controls.",
)
@click.option(
    "--retrieved-res",
    type=click.Path(path_type=Path),
    help="Write the result in the reference's form, acc<Prec@50>.pkl, here.",
)
@click.option(
    "--server-file",
    "server_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the rankings of a task whose answers a server keeps, as it takes them, here.",
)
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
@memory_option
@verify_option
def evaluate(
    models: tuple[Path, ...],
    collection: str | None,
    tasks: tuple[str, ...],
    split: str,
    settings: tuple[str, ...],
    noise_samples: int | None,
    compose: str | None,
    controls: bool,
    others: tuple[Path, ...],
    generalised: bool,
    expand: int | None,
    rerank: int,
    diffuse: bool,
    page: Path | None,
    retrieved_res: Path | None,
    server_folder: Path | None,
    as_json: bool,
) -> None:
    """Answer a task of the collection with MODELS [bundles/latest].

    The task `text` retrieves the unseen classes' images by their texts; in a collection of
    captions without classes texts and images ask for each other. A model is a run, a bundle or
    the name of one of `zscr models`; several must differ in their seed alone: their figures are
    means with standard deviations. Of several tasks the means over those of each --task, and over
    these, are shown, as protocols publish them.

    \b
    Example:
      zscr evaluate runs/latest --controls
      zscr evaluate runs/a-001 runs/a-002 --report report.html
      zscr evaluate bundles/latest --json
      zscr evaluate runs/a-001 --task own-photo --beside runs/b-001 --beside runs/b-002
      zscr evaluate bundles/latest --task composed --compose product
      zscr evaluate bundles/latest --collection flickr8k_1k
      zscr evaluate bundles/latest --expand 5
      zscr evaluate runs/latest --rerank 100
      zscr evaluate bundles/latest --task 'photo-to-*' --task 'toy-to-*'
      zscr evaluate bundles/latest --collection collections/cirr --task test1 --server-file cirr/
    """
    from zscr.data.registry import find_collection
    from zscr.infer.evaluation.gallery_use import gallery_use
    from zscr.infer.evaluation.table import table
    from zscr.infer.evaluation.task_means import means_table
    from zscr.train.evaluation.evaluate import Question, evaluate_model
    from zscr.train.evaluation.several import evaluate_tasks, is_several

    question = Question(
        task=tasks[0] if tasks else "",
        split=split,
        collection=None if collection is None else find_collection(collection),
        head_settings=head_settings(settings, noise_samples),
        controls=controls,
        generalised=generalised,
        retrieved_res=retrieved_res,
        page=page,
        use=gallery_use(expand, diffuse=diffuse),
        beside=others,
        compose=compose,
        rerank=rerank,
    )
    models = models or (Path("bundles/latest"),)
    if is_several(tasks):
        if server_folder:
            raise click.UsageError("--server-file takes one --task")
        means = evaluate_tasks(models, question, tasks)
        click.echo(json.dumps(means, indent=1) if as_json else means_table(means))
        return
    if server_folder:
        _write_for_server(models, question, server_folder)
        return
    report = evaluate_model(models, question)
    click.echo(json.dumps(report, indent=1) if as_json else table(report))
    if "unanswered" in report:
        say(f"{report['unanswered']}; controls and bounds alone")
    if page:
        say(f"wrote {page}")


def _write_for_server(models: tuple[Path, ...], question: Question, folder: Path) -> None:
    from zscr.train.evaluation.server import answer_server

    given = (question.controls, question.generalised, question.page, question.retrieved_res)
    if any(given) or question.beside:
        raise click.UsageError(
            "--server-file writes rankings and no figures; leave out --controls, --generalised, "
            "--report, --beside and --retrieved-res"
        )
    for path in answer_server(models, question, folder):
        click.echo(path)
