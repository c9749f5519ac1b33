"""`zscr export`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from zscr.options import memory_option
from zscr.printable import printable
from zscr.progress import say


@click.command()
@click.argument("run", type=click.Path(path_type=Path), default="runs/latest")
@click.option("--out", type=click.Path(path_type=Path), help="The bundle's folder [bundles/…-001].")
@click.option(
    "--gallery",
    type=click.Choice(["unseen", "all"]),
    default="unseen",
    show_default=True,
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
@click.option("--trt", is_flag=True, help="Also build TensorRT engines, beside the bundle.")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="SM",
    help="A GPU to build engines for, such as sm86; repeatable.",
)
@memory_option
def export(
    run: Path,
    out: Path | None,
    gallery: str,
    settings: tuple[str, ...],
    noise_samples: int | None,
    trt: bool,
    targets: tuple[str, ...],
) -> None:
    """Export RUN to an ONNX bundle with proof of parity, and index the collection's gallery.

    \b
    Example:
      zscr export
      zscr export runs/zscrgan-aviary-001 --trt --target sm86 --target sm89
    """
    from zscr.extras import require_extras

    require_extras("exporting", "export", "cpu")
    from zscr.export.deploy import deploy
    from zscr.train.commands import head_settings

    if targets and not trt:
        raise click.UsageError("--target goes with --trt")
    chosen = head_settings(settings, noise_samples)
    made = deploy(run, out, gallery=gallery, settings=chosen)
    _tell(made.bundle.folder, made.bundle.manifest.body)
    if made.index:
        index = made.index.index
        say(f"indexed {index.count} images in {index.folder}: {index.how}")
        if made.index.skipped:
            say(f"skipped {len(made.index.skipped)} images; see errors there")
    if trt:
        from zscr.export.tensorrt.engines import build_engines

        built = build_engines(made.bundle.folder, targets=targets)
        click.echo(f"built engines in {printable(built)}")
    if made.index:
        named = f" --bundle {out}" if out else ""
        say(f"next: zscr query --file captions.txt{named}")


def _tell(folder: Path, body: Mapping[str, Any]) -> None:
    """Say what was exported, and how well each graph agrees with the trained model."""
    agreed = [
        f"{entry['variants']['fp32']['parity']['max_abs']:.1e} ({name})"
        for name, entry in body["graphs"].items()
    ]
    overlap = min(body["top10_overlap"].values(), default=1.0)
    say(
        f"exported {folder}: onnxruntime agrees with torch to {' and '.join(agreed)}, "
        f"top-10 overlap {overlap:.3f}"
    )
