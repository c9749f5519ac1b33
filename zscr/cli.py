"""The `zscr` command: loads a subcommand's module when it is called, and speaks of known errors."""

from __future__ import annotations

import importlib
import sys

import click

import zscr
from zscr.errors import ZscrError

# name -> module and attribute; the modules import click and the standard library only
COMMANDS = {
    "train": "zscr.train.commands:train",
    "evaluate": "zscr.train.commands:evaluate",
    "export": "zscr.export.commands:export",
    "query": "zscr.infer.commands:query",
    "index": "zscr.infer.commands:index",
    "data": "zscr.data.commands:data",
}


class _Group(click.Group):
    """A group whose commands are imported on use; known errors are one line, exit 1; Ctrl-C 130."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ZscrError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            raise click.exceptions.Exit(130) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zscr.__version__, package_name="zscr")
def main() -> None:
    """Train zero-shot image retrieval, export it to ONNX and TensorRT, and find images.

    \b
    Three commands do the main job, in this order and in any directory:
      zscr train
      zscr export
      zscr query --file captions.txt
    """


if __name__ == "__main__":
    sys.exit(main())
