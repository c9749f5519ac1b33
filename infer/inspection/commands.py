"""`zscr inspect`."""

from __future__ import annotations

from pathlib import Path

import click

from zscr.errors import ArtefactError
from zscr.options import NamedPath
from zscr.printable import printable, printable_json


@click.command()
@click.argument("path", type=NamedPath())
@click.option("--verify", is_flag=True, help="Compare every file's hash with the manifest.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON for machines.")
def inspect(path: Path, verify: bool, as_json: bool) -> None:
    """Say what PATH is: a collection, encoder, run, bundle, index, engine, or a file of one.

    Its fields, its files with their sizes, its graphs with inputs, outputs, operators and
    parameters, and the commands that take it. ONNX, NPY, safetensors and JSON files and caches of
    features are told of, too. Nothing is loaded or run. With --verify the exit code is 1 where a
    file is not what the manifest says.

    \b
    Example:
      zscr inspect bundles/latest
      zscr inspect bundles/latest --verify
      zscr inspect bundles/latest/gallery.onnx --json
    """
    from zscr.infer.inspection.inspect import inspect_path
    from zscr.infer.inspection.page import page

    found = inspect_path(path, hashed=verify)
    if as_json:
        click.echo(printable_json(found.to_json(), indent=1))
    else:
        click.echo("\n".join(map(printable, page(found))))
    if found.faults:
        raise ArtefactError(
            f"{len(found.faults)} of {len(found.files)} files of {path} are not as its manifest "
            f"says, the first is {found.faults[0]}; copy the folder again or make it anew"
        )
