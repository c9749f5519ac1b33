"""`zscr train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from zscr.options import memory_option, offline_option
from zscr.progress import say
from zscr.train.options import pairs

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
@click.option(
    "--text-layers",
    type=click.IntRange(1),
    help="Take its first layers alone, for smaller and faster queries [all].",
)
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
    text_layers: int | None,
    offline: bool | None,
    device: str | None,
    refit: bool | None,
    resume: bool,
    retrieved_res: Path | None,
    **flags: Any,
) -> None:
    """Train METHOD (zscrgan, clip, cmaan, pic2word, zse, zscrgan-reference or a plug-in).

    The rounds and settings that do best on the validation classes are kept; the model is then
    fitted anew by them, on the validation classes too (--no-refit: as it was chosen).

    \b
    Example:
      zscr train
      zscr train --collection photos/ --image-encoder mobilenet_v2/ --rounds 100
      zscr train zscrgan-reference --collection wiki
      zscr train cmaan --collection sketchy25
      zscr train pic2word --collection photos/ --set base=openai/clip-vit-large-patch14
      zscr train --resume
    """
    from zscr.extras import require_extras

    require_extras("training", "train", "cpu")
    from zscr.data.registry import find_collection, is_made
    from zscr.train.encoders.resolve import cut
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
            encoders = image_encoder, cut(text_encoder, text_layers)
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
