"""`zscr export`."""

from __future__ import annotations

from pathlib import Path

import click


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
    "--noise-samples",
    type=click.IntRange(0),
    default=0,
    help="Average K fixed draws of noise in the graph.",
)
@click.option("--trt", is_flag=True, help="Also build TensorRT engines, beside the bundle.")
@click.option("--target", "targets", multiple=True, metavar="SM", help="Such as sm86; repeatable.")
def export(
    run: Path,
    out: Path | None,
    gallery: str,
    noise_samples: int,
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

    if targets and not trt:
        raise click.UsageError("--target goes with --trt")
    made = deploy(run, out, gallery=gallery, noise_samples=noise_samples)
    parity = made.bundle.manifest.body["parity"]
    click.echo(
        f"exported {made.bundle.folder}: onnxruntime agrees with torch to "
        f"{parity['query']['max_abs']:.1e} (query) and {parity['gallery']['max_abs']:.1e} "
        f"(gallery), top-10 overlap {parity['top10_overlap']:.3f}",
        err=True,
    )
    if made.index:
        index = made.index.index
        click.echo(f"indexed {index.count} images in {index.folder}: {index.how}", err=True)
        if made.index.skipped:
            click.echo(f"skipped {len(made.index.skipped)} images; see errors there", err=True)
    if trt:
        from zscr.export.tensorrt.engines import build_engines

        click.echo(f"built engines in {build_engines(made.bundle.folder, targets=targets)}")
    if made.index:
        named = f" --bundle {out}" if out else ""
        click.echo(f"next: zscr query --file captions.txt{named}", err=True)
