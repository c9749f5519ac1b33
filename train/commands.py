"""`zscr train` and `zscr evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from zscr.options import memory_option, offline_option
from zscr.progress import say

if TYPE_CHECKING:
    from zscr.train.evaluation.evaluate import Question

# The reference code's own flags: they set the fields of the same name in the method's Config.
REFERENCE_FLAGS = {
    "batch_size": int,
    "gf_dim": int,
    "df_dim": int,
    "embed_dim": int,
    "z_dim": int,
    "csem_lr": float,
    "generator_lr": float,
    "discriminator_lr": float,
    "kl_div_coefficient": float,
    "mm_reg_coeff": float,
    "clip_val": float,
}

# What may be given with --resume; settings only as the run has them.
RESUMABLE = {"out", "device", "resume", "retrieved_res", "settings", "rounds", "seed", "memory"}
RESUMABLE |= {"offline", *REFERENCE_FLAGS}


def _reference_flags(command: Any) -> Any:
    for name, kind in reversed(REFERENCE_FLAGS.items()):
        flag = "--" + name.replace("_", "-")
        command = click.option(flag, name, type=kind, help=f"The same as --set {name}=….")(command)
    return command


@click.command()
@click.argument("method", default="zscrgan")
@click.option(
    "--collection",
    "--dataset",
    default="aviary",
    show_default=True,
    help="A collection's folder, a folder, list or tar shards of images, or a known name.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The run's folder [runs/…-001].")
@click.option("--rounds", "--epochs", type=int, help="E+M rounds to train.")
@click.option("--seed", type=int, help="Seed of weights, batches and noise.")
@click.option("--recipe", help="A recipe of the method's [the collection's, if there is one].")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any other setting.")
@click.option(
    "--image-encoder", help="Frozen image encoder: a path or name, such as efficientnet-lite0."
)
@click.option("--text-encoder", help="Frozen text encoder: a path or name.")
@offline_option
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), help="Where to train [CUDA where there is one]."
)
@click.option(
    "--refit/--no-refit",
    default=None,
    help="Fit the final weights on seen and validation classes [refit, unless a recipe says no].",
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out, or the latest.")
@click.option(
    "--retrieved-res",
    type=click.Path(path_type=Path),
    help="Also write the validation result in the reference's form, acc<Prec@50>.pkl, here.",
)
@memory_option
@_reference_flags
def train(
    method: str,
    collection: str,
    out: Path | None,
    recipe: str | None,
    settings: tuple[str, ...],
    image_encoder: str | None,
    text_encoder: str | None,
    offline: bool | None,
    device: str | None,
    refit: bool | None,
    resume: bool,
    retrieved_res: Path | None,
    **flags: Any,
) -> None:
    """Train METHOD (zscrgan, clip, pic2word, zscrgan-reference or a plug-in) on a collection.

    The rounds and settings that do best on the validation classes are kept; the model is then
    fitted anew by them, on the validation classes too (--no-refit: as it was chosen).

    \b
    Example:
      zscr train
      zscr train --collection photos/ --image-encoder mobilenet_v2/ --rounds 100
      zscr train zscrgan-reference --collection wiki
      zscr train pic2word --collection photos/ --set base=openai/clip-vit-large-patch14
      zscr train --resume
    """
    from zscr.extras import require_extras

    require_extras("training", "train", "cpu")
    from zscr.data.registry import find_collection, is_made
    from zscr.train.evaluation.evaluate import Question, evaluate_model
    from zscr.train.fit import Request, check_early, fit
    from zscr.train.fit import resume as resume_run
    from zscr.train.loop import Interrupted

    given = {name: value for name, value in flags.items() if value is not None}
    given |= pairs(settings)
    if resume:
        _refuse_changes()
    try:
        if resume:
            run = resume_run(out or Path("runs/latest"), device, given)
        else:
            encoders = image_encoder, text_encoder
            asked = Path(collection), out, given, *encoders, device, refit, offline, recipe
            if not is_made(collection):
                check_early(Request(method, *asked))
            run = fit(Request(method, find_collection(collection), *asked[1:]))
    except Interrupted:
        say("interrupted; the run is checkpointed: zscr train --resume")
        raise click.exceptions.Exit(130) from None
    if not run.writes:  # another process of this training does, and says so
        return
    if retrieved_res:
        question = Question(split="val", retrieved_res=retrieved_res)
        report = evaluate_model(run.folder, question)
        say(f"wrote {report['retrieved_res']}")
    named = f" {out}" if out else ""
    say(f"trained {run.folder}; next: zscr export{named}")


def _refuse_changes() -> None:
    """A run goes on as it began: what it is made of cannot be given anew."""
    context = click.get_current_context()
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if source is ParameterSource.COMMANDLINE and parameter.name not in RESUMABLE:
            named = parameter.opts[0]
            raise click.UsageError(f"{named} cannot be changed with --resume; leave it out")


def head_settings(settings: tuple[str, ...], noise_samples: int | None) -> dict[str, Any]:
    """Return settings of heads from `--set` and its short form `--noise-samples`."""
    short = {} if noise_samples is None else {"noise_samples": noise_samples}
    return short | pairs(settings)


def pairs(settings: tuple[str, ...]) -> dict[str, str]:
    """Return settings that were given as KEY=VALUE, by name."""
    for setting in settings:
        if setting.find("=") < 1:
            raise click.UsageError(f"--set takes KEY=VALUE, not {setting!r}")
    return dict(setting.partition("=")[::2] for setting in settings)


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
    default=["text"],
    show_default=True,
    help="One of `zscr data info`'s tasks; of several, or a pattern such as 'photo-to-*', means.",
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
@click.option("--generalised", is_flag=True, help="Also with the seen classes in the gallery.")
@click.option(
    "--expand",
    type=click.IntRange(1),
    metavar="K",
    help="Expand queries by their top K images, as `zscr query` does.",
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
def evaluate(
    models: tuple[Path, ...],
    collection: str | None,
    tasks: tuple[str, ...],
    split: str,
    settings: tuple[str, ...],
    noise_samples: int | None,
    compose: str | None,
    controls: bool,
    generalised: bool,
    expand: int | None,
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
      zscr evaluate bundles/latest --task composed --compose product
      zscr evaluate bundles/latest --collection flickr8k_1k
      zscr evaluate bundles/latest --expand 5
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
        task=tasks[0],
        split=split,
        collection=None if collection is None else find_collection(collection),
        head_settings=head_settings(settings, noise_samples),
        controls=controls,
        generalised=generalised,
        retrieved_res=retrieved_res,
        page=page,
        use=gallery_use(expand, diffuse=diffuse),
        compose=compose,
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
    if any(given):
        raise click.UsageError(
            "--server-file writes rankings and no figures; leave out --controls, --generalised, "
            "--report and --retrieved-res"
        )
    for path in answer_server(models, question, folder):
        click.echo(path)
