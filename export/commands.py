"""`zscr export`."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import click

from zscr.export.tensorrt.commands import target_option, workspace_option
from zscr.options import NamedPath, memory_option, offline_option
from zscr.printable import printable
from zscr.progress import say

_DUAL, _IMAGE = "clip:", "image:"  # what the names of pretrained models begin with


@click.command()
@click.argument("run", default="runs/latest")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The bundle's folder [bundles/…-001; of a pretrained model the user's own models].",
)
@click.option(
    "--gallery",
    type=click.Choice(["unseen", "all"]),
    show_default="unseen",
    help="The collection's images to index.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the heads, such as raw_feature=true.",
)
@click.option(
    "--noise-samples",
    type=click.IntRange(0),
    help="The same as --set noise_samples=K (zscrgan): average K fixed draws of noise.",
)
@click.option(
    "--text-tower",
    metavar="NAME",
    help="With clip:NAME: a sentence encoder that was trained into the space of its images.",
)
@click.option(
    "--mapper",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With clip:NAME: weights of Pic2Word, SEARLE or LinCIR, for queries of image and text.",
)
@click.option(
    "--template",
    metavar="TEXT",
    help="With --mapper: the sentence, * the image and {} the text ['a photo of * , {}'; of SEARLE"
    " and LinCIR 'a photo of * that {}'].",
)
@click.option(
    "--objects",
    type=NamedPath(),
    metavar="FILE",
    help="Names of things, a line each, to compose image and text with [zscr's own list].",
)
@click.option(
    "--styles",
    type=NamedPath(),
    metavar="FILE",
    help="Styles and contexts, such as 'oil painting', likewise [zscr's own list].",
)
@click.option(
    "--vocabulary",
    type=NamedPath(),
    metavar="FILE",
    help="Words that an image may be said in: adds the composition freedom.",
)
@click.option(
    "--figures",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What `zscr evaluate RUN --controls --json` printed of RUN, for the bundle's card.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    metavar="NAME",
    help="Try the graphs of queries in fp16, bf16, int8, int4 or int8-dynamic as well, or in all; "
    "keep those that retrieve as fp32 does; repeatable.",
)
@click.option(
    "--gallery-precision",
    "gallery_precisions",
    multiple=True,
    metavar="NAME",
    help="Likewise, try the graph that encodes the gallery, for `zscr index add --precision`.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 1),
    metavar="D",
    help="What a precision may cost in mAP, by the worse end of its interval [0.005].",
)
@click.option(
    "--min-cosine",
    type=click.FloatRange(0, 1),
    metavar="C",
    help="The least cosine of an embedding with the one in fp32 [0.99].",
)
@click.option(
    "--min-overlap",
    type=click.FloatRange(0, 1),
    metavar="O",
    help="The least share of the 10 nearest images that must stay [0.9].",
)
@offline_option
@click.option("--trt", is_flag=True, help="Also build TensorRT engines, beside the bundle.")
@target_option
@workspace_option
@memory_option
def export(
    run: str,
    out: Path | None,
    gallery: str | None,
    settings: tuple[str, ...],
    noise_samples: int | None,
    text_tower: str | None,
    mapper: Path | None,
    template: str | None,
    objects: Path | None,
    styles: Path | None,
    vocabulary: Path | None,
    figures: Path | None,
    precisions: tuple[str, ...],
    gallery_precisions: tuple[str, ...],
    max_drop: float | None,
    min_cosine: float | None,
    min_overlap: float | None,
    offline: bool | None,
    trt: bool,
    targets: tuple[str, ...],
    workspace: int | None,
) -> None:
    """Export RUN to an ONNX bundle with proof of parity, and index the collection's gallery.

    RUN is a trained run, or `clip:NAME`: a pretrained dual encoder (CLIP, SigLIP, …) in a folder or
    on a model hub, perhaps with @revision. It needs no collection and no training. `image:NAME` is
    an image encoder alone, as `zscr train --image-encoder` names it, which finds images by images.

    \b
    Example:
      zscr export
      zscr evaluate runs/latest --controls --json > report.json
      zscr export --figures report.json
      zscr export --precision fp16 --precision int8 --max-drop 0.01
      zscr export runs/zscrgan-aviary-001 --trt --target sm86,sm89 --workspace 1GiB
      zscr export clip:openai/clip-vit-base-patch32
      zscr export clip:openai/clip-vit-large-patch14 --mapper pic2word_large.pt
      zscr export image:efficientnet-lite0
    """
    from zscr.extras import require_extras

    require_extras("exporting", "export", "cpu")
    if not trt:
        _refuse("--trt", {"target": targets, "workspace": workspace})
    limits = {"max_drop": max_drop, "min_cosine": min_cosine, "min_overlap": min_overlap}
    tried = {"precision": precisions, "gallery_precision": gallery_precisions}
    if not any(tried.values()):
        _refuse("--precision or --gallery-precision", limits)
    if template is not None and mapper is None:
        raise click.UsageError("--template goes with --mapper")
    parts = {"text_tower": text_tower, "mapper": mapper, "template": template}
    lists = {"objects": objects, "styles": styles, "vocabulary": vocabulary}
    if run.startswith((_DUAL, _IMAGE)):
        of_runs: dict[str, Any] = {
            "gallery": gallery,
            "set": settings,
            "noise_samples": noise_samples,
        }
        of_runs |= {"figures": figures}
        _refuse("a run", {**of_runs, **tried})
        bundle = _export_pretrained(run, out, parts, lists, offline)
    else:
        _refuse("clip:NAME", {**parts, "offline": offline})
        chosen, gate = (settings, noise_samples), (precisions, gallery_precisions, limits)
        bundle = _export_run(Path(run), out, gallery or "unseen", chosen, lists, gate, figures)
    if trt:
        from zscr.export.tensorrt.engines import build_engines

        kept = (
            ("all",) if any(tried.values()) else ()
        )  # of those that were tried, the ones that are there
        for built in build_engines(bundle, targets=targets, precisions=kept, workspace=workspace):
            click.echo(printable(built))


def _refuse(what: str, given: Mapping[str, Any]) -> None:
    """Refuse options that are given with something else than they are for."""
    for name, value in given.items():
        if value not in (None, ()):
            raise click.UsageError(f"--{name.replace('_', '-')} goes with {what}")


def _export_pretrained(
    named: str,
    out: Path | None,
    parts: Mapping[str, Any],
    lists: Mapping[str, Path | None],
    offline: bool | None,
) -> Path:
    """Export a pretrained model, say what it is and what comes next; return the bundle."""
    from zscr.export.pretrained.image import export_image
    from zscr.export.pretrained.job import export_pretrained
    from zscr.export.words import read_words

    kind, _, name = named.partition(":")
    if not name:
        raise click.UsageError(f"{kind}: is followed by a folder or by the name of a hub's model")
    if f"{kind}:" == _IMAGE:
        _refuse("clip:NAME", {**parts, **lists})
        bundle = export_image(name, out, offline=offline)
    else:
        bundle = export_pretrained(name, out, **parts, words=read_words(**lists), offline=offline)
    body = bundle.manifest.body
    about = body["provenance"]
    say(f"exported {bundle.folder}: {about['family']}, {bundle.dim} numbers, {_agreed(body)}")
    say(f"licence: {about['licence'] or 'not stated'}; a score is {about['score']}")
    term = "TEXT" if frozenset({"text"}) in bundle.takes else "--image FILE"
    indexed = f"index add PHOTOS --bundle {out}" if out else f"find {term} --model {bundle.name}"
    say(f"next: zscr {indexed}")
    return bundle.folder


def _export_run(
    run: Path,
    out: Path | None,
    gallery: str,
    settings: tuple[tuple[str, ...], int | None],
    lists: Mapping[str, Path | None],
    gate: tuple[tuple[str, ...], tuple[str, ...], Mapping[str, float | None]],
    figures: Path | None,
) -> Path:
    """Export a run, index its gallery, and say what comes next; return the bundle."""
    from zscr.export.deploy import deploy
    from zscr.export.precision.gate import Limits
    from zscr.export.words import read_words
    from zscr.train.options import head_settings

    chosen, words = head_settings(*settings), read_words(**lists)
    precisions, gallery_precisions, given = gate
    limits = Limits(**{name: value for name, value in given.items() if value is not None})
    made = deploy(
        run,
        out,
        gallery=gallery,
        settings=chosen,
        words=words,
        precisions=precisions,
        gallery_precisions=gallery_precisions,
        limits=limits,
        figures=figures,
    )
    body = made.bundle.manifest.body
    overlap = min(body["top10_overlap"].values(), default=1.0)
    say(f"exported {made.bundle.folder}: {_agreed(body)}, top-10 overlap {overlap:.3f}")
    for backend, fastest in {"": body.get("fastest"), **body.get("fastest_by", {})}.items():
        if fastest:
            where = f" with --backend {backend}" if backend else ""
            say(
                f"queries run in {fastest['precision']}{where} on processors with these "
                f"instructions: {', '.join(fastest['instructions'])}"
            )
    if made.index:
        index = made.index.index
        say(f"indexed {index.count} images in {index.folder}: {index.how}")
        if made.index.skipped:
            say(f"skipped {len(made.index.skipped)} images; see errors there")
        named = f" --bundle {out}" if out else ""
        say(f"next: zscr query {first_query(made.bundle.takes)}{named}")
    return made.bundle.folder


def first_query(takes: Container[frozenset[str]]) -> str:
    """Return the option of a query to begin with, given what fields queries may fill together."""
    ways = {"text": "--file captions.txt", "sketch": "--sketch drawing.png"}
    alone = (way for field, way in ways.items() if frozenset({field}) in takes)
    return next(alone, "--image photo.jpg")


def _agreed(body: Mapping[str, Any]) -> str:
    """Return how well each graph agrees with the model that was trained."""
    agreed = [
        f"{entry['variants']['fp32']['parity']['max_abs']:.1e} ({name})"
        for name, entry in body["graphs"].items()
    ]
    return f"onnxruntime agrees with torch to {' and '.join(agreed)}"
